/*
 * A database of MIT Kerberos, as "db2" is, with what an Active Directory has besides: a resource names who may
 * delegate to it (resource-based constrained delegation). It does so in the string "delegates_from" of its entry.
 */
#include <dlfcn.h>
#include <kdb.h>
#include <stdlib.h>
#include <string.h>

kdb_vftabl kdb_function_table;

static krb5_error_code
allowed_to_delegate_from(krb5_context context, krb5_const_principal user, krb5_const_principal service,
                         krb5_pac service_pac, const krb5_db_entry *resource)
{
    krb5_error_code refused = KRB5KDC_ERR_BADOPTION;
    char *allowed = NULL, *name = NULL;

    if (!krb5_dbe_get_string(context, (krb5_db_entry *)resource, "delegates_from", &allowed) && allowed != NULL &&
        !krb5_unparse_name(context, service, &name) && strcmp(allowed, name) == 0)
        refused = 0;
    krb5_free_unparsed_name(context, name);
    krb5_dbe_free_string(context, allowed);
    return refused;
}

__attribute__((constructor)) static void
take_over_from_db2(void)
{
    void *db2 = dlopen(DB2, RTLD_NOW | RTLD_LOCAL);
    kdb_vftabl *table = db2 == NULL ? NULL : dlsym(db2, "kdb_function_table");

    if (table == NULL)
        abort();
    kdb_function_table = *table;
    kdb_function_table.allowed_to_delegate_from = allowed_to_delegate_from;
}
