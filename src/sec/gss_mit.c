/* gss_mit.c: see gsslib.h. */
#include "gsslib.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include "mem.h"

OM_uint32 krbrepl__gsslib_cred(krbrepl__gsscred *c, OM_uint32 *minor)
{
    /* A replayed token leads to a key that the replayer does not have, so it gets no further; a replay
     * cache would add a shared file and no safety. */
    gss_key_value_element_desc element[2] = {
        {c->initiator ? "client_keytab" : "keytab", c->keys.keytab_name},
        {c->initiator ? "ccache" : "rcache", c->initiator ? c->keys.ccache_name : "none:"},
    };
    gss_key_value_set_desc store = {2, element};
    gss_OID_set_desc mechs = {1, (gss_OID)gss_mech_krb5};

    return gss_acquire_cred_from(minor, c->name, GSS_C_INDEFINITE, &mechs,
                                 c->initiator ? GSS_C_INITIATE : GSS_C_ACCEPT, &store, &c->cred, NULL,
                                 NULL);
}

/* The last arc of the object identifier that names the enctype of a session key. */
static long last_arc(const gss_OID_desc *oid)
{
    const uint8_t *p = oid->elements;
    size_t i = oid->length;
    long value = 0;

    if (i == 0 || (p[i - 1] & 0x80) != 0)
        return 0;
    for (i--; i > 0 && (p[i - 1] & 0x80) != 0;)
        i--;
    for (; i < oid->length; i++) {
        if (value > 0xffff)
            return 0;
        value = value << 7 | (p[i] & 0x7f);
    }
    return value;
}

long krbrepl__gsslib_enctype(gss_ctx_id_t ctx)
{
    gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
    OM_uint32 major, minor;
    gss_OID_desc oid;
    long enctype = 0;
    size_t i;

    major = gss_inquire_sec_context_by_oid(&minor, ctx, GSS_C_INQ_SSPI_SESSION_KEY, &set);
    if (major == GSS_S_COMPLETE && set != GSS_C_NO_BUFFER_SET && set->count >= 2) {
        oid.length = (OM_uint32)set->elements[1].length;
        oid.elements = set->elements[1].value;
        enctype = last_arc(&oid);
    }
    for (i = 0; set != GSS_C_NO_BUFFER_SET && i < set->count; i++)
        krbrepl__wipe(set->elements[i].value, set->elements[i].length);
    gss_release_buffer_set(&minor, &set);
    return enctype;
}

void krbrepl__gsslib_text(char *out, size_t size, OM_uint32 minor)
{
    krbrepl__gss_status(out, size, minor, GSS_C_MECH_CODE);
}
