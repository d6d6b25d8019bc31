/* loop/watch.c: a linked list whose head is one pointer, to keep a task small, and from which
 * any member can be taken out. Layer: loop. */
#include "runtime/loop/watch.h"

#include <stddef.h>

void lp_watch_add(lp_watch *w, lp_watch **list) {
  if ((w->next = *list)) w->next->at = &w->next;
  w->at = list;
  *list = w;
}

void lp_watch_remove(lp_watch *w) {
  if (!w->at) return;
  if ((*w->at = w->next)) w->next->at = w->at;
  w->at = NULL;
}

/* Those who were added first are called first. Each is out of the list when it is called, and
 * may take others out of it. */
void lp_watch_call(lp_watch **list, lp_task *t) {
  lp_watch *newest = *list;
  *list = NULL;
  for (lp_watch *w = newest, *next; w; w = next) {
    next = w->next;
    lp_watch_add(w, list);
  }
  for (lp_watch *w; (w = *list);) {
    lp_watch_remove(w);
    w->ended(w, t);
  }
}
