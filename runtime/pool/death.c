/* pool/death.c: memory of deaths. Layer: pool. Process: main. */
#include "runtime/pool/death.h"

#include <string.h>

#include "runtime/base/alloc.h"

lp_death *lp_death_copy(const lp_death *d) {
  lp_death *copy = lp_alloc_new(sizeof *copy);
  if (!copy) return NULL;
  *copy = *d;
  size_t len = d->report ? strlen(d->report) + 1 : 0;
  copy->report = len ? lp_alloc_new(len) : NULL;
  if (copy->report) memcpy(copy->report, d->report, len);
  return copy;
}

void lp_death_free(lp_death *d) {
  if (d) lp_death_close(d);
  lp_alloc_free(d);
}

void lp_death_close(lp_death *d) {
  lp_alloc_free(d->report);
  d->report = NULL;
}
