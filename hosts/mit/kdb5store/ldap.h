/* ldap.h: records in a directory, through the module kldap.
 *
 * kldap keeps the parts of an entry in attributes of the directory, and makes an entry of these when it is read:
 * tagged data come in another order, with its own between them (type 255: the name in the directory, and which
 * attributes are there); kadmin's data come with the old keys sorted, and not at all without policy and old keys; a
 * key without a salt has an empty one. None of it matters to a KDC, and all of it to a digest. So an entry carries one
 * item of tagged data more, the form of its record: the record itself without what the entry has, and with no byte
 * of a key. The attribute that it is kept in may be open to more readers than that of the keys. */
#ifndef KRBREPL__KDB5_LDAP_H
#define KRBREPL__KDB5_LDAP_H

#include "kdb5store.h"

/* ---- kadmdata.c ------------------------------------------------------------------------------ */

typedef struct krbrepl__kdb5_oldkey {
    uint32_t set, index, kvno;
    krbrepl_bytes secret;
} krbrepl__kdb5_oldkey;

typedef struct krbrepl__kdb5_kadm {
    krbrepl_bytes policy; /* with its NUL */
    int has_policy;       /* and kadmin says that it counts */
    uint32_t nsets;
    krbrepl__kdb5_oldkey *key;
    size_t nkeys;
} krbrepl__kdb5_kadm;

/* 0, ENOMEM, or EINVAL for data that kldap would not give back. What is read is borrowed from `data`. */
int krbrepl__kdb5_kadm_read(krbrepl_bytes data, krbrepl__kdb5_kadm *out);
void krbrepl__kdb5_kadm_free(krbrepl__kdb5_kadm *k);
/* The same data with zeros for the keys; `data` has room for it. */
int krbrepl__kdb5_kadm_blank(krbrepl_bytes in, uint8_t *data);
/* And with the keys of `have` again. EINVAL when `have` is not the same otherwise. */
int krbrepl__kdb5_kadm_fill(krbrepl_bytes blank, krbrepl_bytes have, uint8_t *data);

/* ---- ldapform.c ------------------------------------------------------------------------------ */

/* Tagged data of kldap's own, and of ours. */
#define KRBREPL__KDB5_USER_INFO 255
#define KRBREPL__KDB5_FORM 27506

const krb5_tl_data *krbrepl__kdb5_tl_find(const krb5_db_entry *e, int type);
/* Makes `e`, made of the record `value`, one that kldap can keep: takes out what it has no place for, and adds the
 * form. */
krb5_error_code krbrepl__kdb5_form_add(krb5_context ctx, krb5_db_entry *e, krbrepl_bytes value);
/* The record of an entry that was read. */
krb5_error_code krbrepl__kdb5_form_read(krb5_context ctx, const krb5_db_entry *e, void **value,
                                        size_t *len);
/* Puts one item of tagged data before the others. */
krb5_error_code krbrepl__kdb5_tl_add(krb5_db_entry *e, int type, const void *data, size_t len);

/* ---- ldapput.c ------------------------------------------------------------------------------- */

/* `e` is made of the record in `c`. */
krb5_error_code krbrepl__kdb5_ldap_principal(const krbrepl_kdb5 *db, krb5_context ctx, krb5_db_entry *e,
                                             const krbrepl_change *c);
/* Whether an entry that was read is that of its name. In a directory it may have other names beside: these are aliases,
 * and the principal is what krbCanonicalName says, or where there is none the first name, which kldap shows in a list of
 * all. By each of the other names kldap finds the entry as if it was that principal's. */
krb5_error_code krbrepl__kdb5_ldap_named(krb5_context ctx, const krb5_db_entry *e, int *is);
/* Whether an entry that was read belongs to this realm, and not to another one of the directory. */
int krbrepl__kdb5_ldap_ours(const krbrepl_kdb5 *db, const krb5_db_entry *e);
krb5_error_code krbrepl__kdb5_ldap_policy(krb5_context ctx, osa_policy_ent_t p);
/* KRB5_KDB_NOENTRY: no policy has this name as it is spelled. The directory takes names that differ in case, or in blanks,
 * for one, and kldap answers with the name that it was asked for. */
krb5_error_code krbrepl__kdb5_ldap_spelled(krb5_context ctx, const char *name);

#endif
