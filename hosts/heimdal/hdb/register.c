/* register.c: see <krbrepl/hdb.h>. */
#include <krbrepl/hdb.h>

#include "hdbmod.h"

extern struct hdb_method hdb_krbrepl_interface;

krb5_error_code krbrepl_hdb_register(krb5_context context)
{
    return krb5_plugin_register(context, PLUGIN_TYPE_DATA, "hdb_krbrepl_interface",
                                &hdb_krbrepl_interface);
}
