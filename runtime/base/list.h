/* base/list.h: an intrusive, circular, doubly linked list.
 *
 * A list head and a member's link are the same type. A link that is in no list points at itself
 * (lp_list_init) so that lp_list_remove is safe on it, and safe twice. Layer: base. */
#ifndef LP_BASE_LIST_H
#define LP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lp_list {
  struct lp_list *prev, *next;
} lp_list;

/* The struct that holds this link. */
#define lp_list_of(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* Walks the links; the body may remove `it`, nothing else. */
#define lp_list_each(it, head)                                                                 \
  for (lp_list *it = (head)->next, *it##_next = it->next; it != (head);                        \
       it = it##_next, it##_next = it->next)

static inline void lp_list_init(lp_list *l) {
  l->prev = l->next = l;
}

static inline bool lp_list_empty(const lp_list *l) {
  return l->next == l;
}

/* Appends: the member becomes the last one of the list. */
static inline void lp_list_push(lp_list *head, lp_list *link) {
  link->prev = head->prev;
  link->next = head;
  head->prev->next = link;
  head->prev = link;
}

/* Prepends: the member becomes the first one of the list. */
static inline void lp_list_unshift(lp_list *head, lp_list *link) {
  lp_list_push(head->next, link);
}

/* Takes a member out of whatever list it is in; no effect when it is in none. */
static inline void lp_list_remove(lp_list *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  lp_list_init(link);
}

/* Removes and returns the first link, or NULL when the list is empty. */
static inline lp_list *lp_list_shift(lp_list *head) {
  lp_list *first = head->next;
  if (first == head) return NULL;
  lp_list_remove(first);
  return first;
}

/* Moves all members of `from` to the end of `to`. */
static inline void lp_list_join(lp_list *to, lp_list *from) {
  if (lp_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  lp_list_init(from);
}

#endif
