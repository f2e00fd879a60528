/* list.h: an intrusive list. An element that is in no list is linked to nothing. */
#ifndef KRBREPL__LIST_H
#define KRBREPL__LIST_H

#include <stddef.h>

typedef struct krbrepl__item {
    struct krbrepl__item *prev, *next;
    void *self; /* the element that this link is in; NULL in a list's head */
} krbrepl__item;

static inline void krbrepl__list_init(krbrepl__item *head)
{
    head->prev = head->next = head;
    head->self = NULL;
}

static inline int krbrepl__list_empty(const krbrepl__item *head)
{
    return head->next == head;
}

static inline int krbrepl__item_in(const krbrepl__item *l)
{
    return l->next != NULL;
}

/* Puts `l` at the end. Nothing when it is in a list already. */
static inline void krbrepl__item_push(krbrepl__item *head, krbrepl__item *l, void *self)
{
    if (krbrepl__item_in(l))
        return;
    l->self = self;
    l->next = head;
    l->prev = head->prev;
    head->prev->next = l;
    head->prev = l;
}

static inline void krbrepl__item_drop(krbrepl__item *l)
{
    if (!krbrepl__item_in(l))
        return;
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = NULL;
}

/* The first element, or NULL. */
static inline void *krbrepl__list_first(const krbrepl__item *head)
{
    return head->next->self;
}

/* For each element; the body may drop the element that it is at, and no other. */
#define KRBREPL__EACH_ITEM(head, l, after) \
    for ((l) = (head)->next; (l) != (head) && ((after) = (l)->next, 1); (l) = (after))

#endif
