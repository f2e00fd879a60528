/* tagged_list.c: tagged data: the linked list of libkdb5 and the items of a record. */
#include "kdbmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void list_free(krb5_tl_data *tl)
{
    krb5_tl_data *next;

    for (; tl != NULL; tl = next) {
        next = tl->tl_data_next;
        free(tl->tl_data_contents);
        free(tl);
    }
}

static krb5_tl_data *node_make(const krbrepl_mit_item *item)
{
    krb5_tl_data *tl = calloc(1, sizeof *tl);

    if (tl == NULL)
        return NULL;
    tl->tl_data_type = (krb5_int16)item->type;
    tl->tl_data_length = (krb5_ui_2)item->data.len;
    if (item->data.len == 0)
        return tl;
    tl->tl_data_contents = malloc(item->data.len);
    if (tl->tl_data_contents == NULL) {
        free(tl);
        return NULL;
    }
    memcpy(tl->tl_data_contents, item->data.data, item->data.len);
    return tl;
}

int krbrepl__kdb_tl_make(const krbrepl_mit_item *item, size_t n, krb5_tl_data **out)
{
    krb5_tl_data *head = NULL, **at = &head;
    size_t i;

    *out = NULL;
    for (i = 0; i < n; i++) {
        *at = node_make(&item[i]);
        if (*at == NULL) {
            list_free(head);
            return ENOMEM;
        }
        at = &(*at)->tl_data_next;
    }
    *out = head;
    return 0;
}

int krbrepl__kdb_tl_items(const krb5_tl_data *tl, krb5_int16 n, krbrepl_mit_item **out)
{
    krbrepl_mit_item *items;
    krb5_int16 i;

    *out = NULL;
    if (n < 0)
        return EINVAL;
    items = krbrepl__alloc_array((size_t)n, sizeof *items);
    if (items == NULL)
        return ENOMEM;
    for (i = 0; i < n && tl != NULL; i++, tl = tl->tl_data_next) {
        items[i].type = tl->tl_data_type;
        items[i].data = (krbrepl_bytes){tl->tl_data_contents, tl->tl_data_length};
    }
    if (i < n) {
        krbrepl__free(items, (size_t)n * sizeof *items);
        return EINVAL;
    }
    *out = items;
    return 0;
}
