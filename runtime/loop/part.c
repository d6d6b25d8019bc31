/* loop/part.c: the list of parts of a runtime, and the walks over it. Layer: loop. */
#include "runtime/loop/part.h"

#include <stddef.h>

#include "runtime/loop/state.h"

void lp_part_add(lp_state *st, lp_part *part, const lp_part_class *class) {
  part->class = class;
  lp_list_init(&part->link);
  lp_list_unshift(&st->parts, &part->link);
}

void lp_part_remove(lp_part *part) {
  lp_list_remove(&part->link);
}

lp_part *lp_part_find(const lp_state *st, const lp_part_class *class) {
  lp_list_each (link, &st->parts) {
    lp_part *part = lp_list_of(link, lp_part, link);
    if (part->class == class) return part;
  }
  return NULL;
}

void lp_part_stop_all(lp_state *st) {
  lp_list_each (link, &st->parts) {
    lp_part *part = lp_list_of(link, lp_part, link);
    if (part->class->stop) part->class->stop(part);
  }
}

bool lp_part_any_busy(const lp_state *st) {
  lp_list_each (link, &st->parts) {
    const lp_part *part = lp_list_of(link, lp_part, link);
    if (part->class->busy && part->class->busy(part)) return true;
  }
  return false;
}

void lp_part_close_all(lp_state *st) {
  lp_list_each (link, &st->parts) {
    lp_part *part = lp_list_of(link, lp_part, link);
    if (part->class->close) part->class->close(part);
  }
}

void lp_part_free_all(lp_state *st) {
  for (lp_list *link; (link = lp_list_shift(&st->parts));) {
    lp_part *part = lp_list_of(link, lp_part, link);
    if (part->class->free) part->class->free(part);
  }
}
