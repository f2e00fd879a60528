/* ldapput.c: writing through kldap, which changes the attributes that the mask of an entry names. */
#include "ldap.h"

#include <errno.h>
#include <string.h>

#include <kadm5/admin.h>

#include "mem.h"

#define CHANGED                                                                      \
    (KADM5_ATTRIBUTES | KADM5_MAX_LIFE | KADM5_MAX_RLIFE | KADM5_PRINC_EXPIRE_TIME | \
     KADM5_PW_EXPIRATION | KADM5_TL_DATA | KADM5_KEY_DATA)
#define COUNTERS (KADM5_LAST_SUCCESS | KADM5_LAST_FAILED | KADM5_FAIL_AUTH_COUNT)

/* Where kldap notes what an entry is: items of a type, a length of two bytes, and the bytes (see kdb_ldap.h of krb5). */
#define INFO_PRINCTYPE 1
#define INFO_PRINCCOUNT 2
#define INFO_USERDN 3
#define STANDALONE 1

/* From here on a directory may have no room for a name, which is in the name of its entry twice. */
#define LONG_NAME 200u

static krbrepl_bytes content(const krb5_db_entry *e, int type)
{
    const krb5_tl_data *tl = krbrepl__kdb5_tl_find(e, type);

    return tl != NULL ? (krbrepl_bytes){tl->tl_data_contents, tl->tl_data_length}
                      : (krbrepl_bytes){NULL, 0};
}

/* ---- what is in an entry ---------------------------------------------------------------------- */

static int kadm_of(const krb5_db_entry *e, krbrepl__kdb5_kadm *out)
{
    const krbrepl_bytes data = content(e, KRB5_TL_KADM_DATA);

    memset(out, 0, sizeof *out);
    return data.data != NULL ? krbrepl__kdb5_kadm_read(data, out) : 0;
}

/* The parts of an entry that kldap writes and cannot take away again. */
enum { HISTORY = 1, UNLOCKED = 2 };

static int lasting(const krb5_db_entry *e, unsigned *parts, int *has_policy)
{
    krbrepl__kdb5_kadm k;
    const int err = kadm_of(e, &k);

    *parts =
        (k.nsets != 0 ? HISTORY : 0) | (content(e, KRB5_TL_LAST_ADMIN_UNLOCK).len != 0 ? UNLOCKED : 0);
    *has_policy = k.has_policy;
    krbrepl__kdb5_kadm_free(&k);
    return err;
}

static krbrepl_bytes info_of(const krb5_db_entry *e, unsigned type)
{
    const krbrepl_bytes info = content(e, KRBREPL__KDB5_USER_INFO), none = {NULL, 0};
    const uint8_t *p = info.data;
    size_t at = 0, len;

    while (info.len - at >= 3) {
        len = (size_t)p[at + 1] << 8 | p[at + 2];
        if (len > info.len - at - 3)
            return none;
        if (p[at] == type)
            return (krbrepl_bytes){p + at + 3, len};
        at += 3 + len;
    }
    return none;
}

static int info_number(const krb5_db_entry *e, unsigned type)
{
    const krbrepl_bytes number = info_of(e, type);
    const uint8_t *p = number.data;

    return number.len == 2 ? p[0] << 8 | p[1] : 0;
}

/* Whether the entry is an object of its own in the directory, and not added to one of somebody else's. */
static int is_standalone(const krb5_db_entry *e)
{
    return info_number(e, INFO_PRINCTYPE) == STANDALONE;
}

/* ---- whose name it is -------------------------------------------------------------------------- */

struct naming {
    krb5_context ctx;
    const krb5_db_entry *of;
    int is;
};

static krb5_error_code naming_look(krb5_pointer arg, krb5_db_entry *e)
{
    struct naming *n = arg;
    const krbrepl_bytes dn = info_of(e, INFO_USERDN), of = info_of(n->of, INFO_USERDN);

    if (dn.len == of.len && dn.len != 0 && memcmp(dn.data, of.data, dn.len) == 0)
        n->is = krb5_principal_compare(n->ctx, e->princ, n->of->princ) != 0;
    return 0;
}

/* A pattern of LDAP that fits the name, and perhaps others: what has a meaning there, or is written otherwise in a
 * directory, is any number of characters. */
static void pattern_make(char *name)
{
    char *to = name, last = '\0';

    for (; *name != '\0'; name++) {
        const int plain = strchr("*()\\", *name) == NULL;

        if (*name == '\\' && name[1] != '\0')
            name++;
        if (plain || last != '*')
            *to++ = last = (char)(plain ? *name : '*');
    }
    *to = '\0';
}

krb5_error_code krbrepl__kdb5_ldap_named(krb5_context ctx, const krb5_db_entry *e, int *is)
{
    struct naming n = {ctx, e, 1};
    krb5_error_code err;
    char *text = NULL;

    *is = 1;
    if (info_number(e, INFO_PRINCCOUNT) <= 1)
        return 0;
    err = krb5_unparse_name(ctx, e->princ, &text);
    if (err != 0)
        return err;
    pattern_make(text);
    err = krb5_db_iterate(ctx, text, naming_look, &n, 0);
    krb5_free_unparsed_name(ctx, text);
    *is = n.is;
    return err;
}

/* ---- whose it is ------------------------------------------------------------------------------ */

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static int same_letters(const char *a, const char *b, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower((unsigned char)a[i]) != lower((unsigned char)b[i]))
            return 0;
    return 1;
}

/* Whether the name in the directory has the container of this realm above it. */
static int is_below(krbrepl_bytes dn, const char *realm, size_t len)
{
    const char *p = dn.data;
    size_t i;

    for (i = 1; i + 3 + len < dn.len; i++) {
        if ((p[i - 1] != ',' && p[i - 1] != ' ') || !same_letters(p + i, "cn=", 3))
            continue;
        if (same_letters(p + i + 3, realm, len) && p[i + 3 + len] == ',')
            return 1;
    }
    return 0;
}

/* kldap shows one realm what another one of the directory has for the way from there to here (krbtgt/HERE@THERE),
 * where their trees are one. What is not of this realm by its name has to be so by its place, or by our own mark. */
int krbrepl__kdb5_ldap_ours(const krbrepl_kdb5 *db, const krb5_db_entry *e)
{
    const krb5_data *realm = krb5_princ_realm(NULL, e->princ);
    const krbrepl_bytes dn = info_of(e, INFO_USERDN);
    const size_t len = strlen(db->realm);

    if (realm->length == len && memcmp(realm->data, db->realm, len) == 0)
        return 1;
    if (is_below(dn, db->realm, len))
        return 1;
    return krbrepl__kdb5_tl_find(e, KRBREPL__KDB5_FORM) != NULL &&
           !is_below(dn, realm->data, realm->length);
}

/* ---- principals ------------------------------------------------------------------------------- */

/* What the directory says of a value is said of this record. All else may be another time: but slapd answers a name that
 * it has no room for as it answers a failure of its own. */
static krb5_error_code verdict(krb5_context ctx, krb5_error_code err, krbrepl_bytes name)
{
    krb5_error_code refused;
    const char *text;

    if (err != KRB5_KDB_UK_SERROR && err != KRB5_KDB_UK_RERROR &&
        (err != KRB5_KDB_SERVER_INTERNAL_ERR || name.len < LONG_NAME))
        return err;
    text = krb5_get_error_message(ctx, err);
    refused = krbrepl__kdb5_refuse(ctx, "the directory does not take it: %s", text);
    krb5_free_error_message(ctx, text);
    return refused;
}

static krb5_error_code create(krb5_context ctx, krb5_db_entry *e)
{
    e->mask |= KADM5_PRINCIPAL | COUNTERS;
    return krb5_db_put_principal(ctx, e);
}

/* KADM5_LOAD has kldap take a policy away that is not there any more. What kldap knows of the entry says where in the
 * directory it is. */
static krb5_error_code modify(krb5_context ctx, krb5_db_entry *e, const krb5_db_entry *present)
{
    const krbrepl_bytes info = content(present, KRBREPL__KDB5_USER_INFO);
    krb5_error_code err =
        info.len != 0 ? krbrepl__kdb5_tl_add(e, KRBREPL__KDB5_USER_INFO, info.data, info.len) : 0;

    e->mask |= KADM5_LOAD;
    return err == 0 ? krb5_db_put_principal(ctx, e) : err;
}

/* The entry goes and comes again, because kldap cannot take away a part of it. A KDC that asks in between finds
 * nobody of this name. */
static krb5_error_code make_anew(krb5_context ctx, krb5_db_entry *e, const krb5_db_entry *present)
{
    krb5_error_code err;

    if (!is_standalone(present))
        return krbrepl__kdb5_refuse(
            ctx, "it has lost its old keys or its time of unlocking, which kldap cannot "
                 "take away from an entry that is part of another object of the "
                 "directory; delete the principal on the master and make it anew");
    e->last_success = present->last_success;
    e->last_failed = present->last_failed;
    e->fail_auth_count = present->fail_auth_count;
    err = krb5_db_delete_principal(ctx, e->princ);
    return err == 0 ? create(ctx, e) : err;
}

static krb5_error_code put(krb5_context ctx, krb5_db_entry *e, const krb5_db_entry *present)
{
    unsigned has = 0, is_to_have = 0;
    int has_policy = 0, unused = 0;
    krb5_error_code err = lasting(e, &is_to_have, &has_policy);

    if (err != 0)
        return err;
    e->mask = CHANGED;
    if (has_policy)
        e->mask |= KADM5_POLICY;
    if ((is_to_have & HISTORY) != 0)
        e->mask |= KADM5_KEY_HIST;
    if (present == NULL)
        return create(ctx, e);
    /* Old keys that cannot be read are taken for some. */
    if (lasting(present, &has, &unused) != 0)
        has |= HISTORY;
    if ((has & ~is_to_have) != 0)
        return make_anew(ctx, e, present);
    return modify(ctx, e, present);
}

krb5_error_code krbrepl__kdb5_ldap_principal(const krbrepl_kdb5 *db, krb5_context ctx, krb5_db_entry *e,
                                             const krbrepl_change *c)
{
    krb5_db_entry *present = NULL;
    krb5_error_code err = krbrepl__kdb5_form_add(ctx, e, c->value);
    int named = 1;

    if (err != 0)
        return err;
    err = krb5_db_get_principal(ctx, e->princ, 0, &present);
    if (err == 0)
        err = krbrepl__kdb5_ldap_named(ctx, present, &named);
    if (err == 0 && (!named || !krb5_principal_compare(ctx, e->princ, present->princ)))
        err =
            krbrepl__kdb5_refuse(ctx, "in the directory this is another name of a principal; take that "
                                      "name away there");
    if (err == 0 && !krbrepl__kdb5_ldap_ours(db, present))
        err =
            krbrepl__kdb5_refuse(ctx, "in the directory this belongs to another realm; give the realms "
                                      "trees of their own (krbSubTrees)");
    if (err == KRB5_KDB_NOENTRY) {
        krb5_clear_error_message(ctx);
        err = 0;
    }
    if (err == 0)
        err = verdict(ctx, put(ctx, e, present), c->key);
    krb5_db_free_principal(ctx, present);
    return err;
}

/* ---- policies --------------------------------------------------------------------------------- */

struct spelling {
    const char *name;
    int found;
};

static void spelling_look(void *arg, osa_policy_ent_t p)
{
    struct spelling *s = arg;

    s->found |= strcmp(p->name, s->name) == 0;
}

krb5_error_code krbrepl__kdb5_ldap_spelled(krb5_context ctx, const char *name)
{
    struct spelling s = {name, 0};
    krb5_error_code err = krb5_db_iter_policy(ctx, NULL, spelling_look, &s);

    return err == 0 && !s.found ? KRB5_KDB_NOENTRY : err;
}

static krb5_error_code policy_check(krb5_context ctx, const osa_policy_ent_rec *p)
{
    if (p->n_tl_data != 0)
        return krbrepl__kdb5_refuse(ctx, "kldap does not keep tagged data of a policy");
    return 0;
}

static int has_keysalts(const osa_policy_ent_rec *p)
{
    return p->allowed_keysalts != NULL && *p->allowed_keysalts != '\0';
}

krb5_error_code krbrepl__kdb5_ldap_policy(krb5_context ctx, osa_policy_ent_t p)
{
    osa_policy_ent_t present = NULL;
    krb5_error_code err = policy_check(ctx, p);

    if (err != 0)
        return err;
    err = krb5_db_get_policy(ctx, p->name, &present);
    if (err == KRB5_KDB_NOENTRY) {
        krb5_clear_error_message(ctx);
        return verdict(ctx, krb5_db_create_policy(ctx, p), krbrepl__kdb_text(p->name));
    }
    if (err != 0)
        return err;
    err = krbrepl__kdb5_ldap_spelled(ctx, p->name);
    if (err == KRB5_KDB_NOENTRY)
        err = krbrepl__kdb5_refuse(ctx, "the directory has a policy whose name it takes for the same; "
                                        "delete one of the two");
    if (err == 0 && has_keysalts(present) && !has_keysalts(p)) {
        /* kldap does not take the attribute away. */
        err = krb5_db_delete_policy(ctx, p->name);
        if (err == 0)
            err = krb5_db_create_policy(ctx, p);
    } else if (err == 0) {
        err = krb5_db_put_policy(ctx, p);
    }
    krb5_db_free_policy(ctx, present);
    return verdict(ctx, err, krbrepl__kdb_text(p->name));
}
