/* counted/meter.h: counts what a function does that may run for ever in C, where no hook of Lua
 * is called: every so many steps it looks whether a budget of the current task is used up, and
 * raises its error then. Layer: counted. Owner: a call, on its C stack. */
#ifndef LP_COUNTED_METER_H
#define LP_COUNTED_METER_H

#include <lua.h>
#include <stddef.h>

typedef struct lp_meter {
  lua_State *L;
  /* Steps until the next look. A step takes some nanoseconds. */
  size_t left;
} lp_meter;

enum { LP_METER_STEPS = 20000 };

static inline lp_meter lp_meter_start(lua_State *L) {
  return (lp_meter){L, LP_METER_STEPS};
}

/* Raises when a budget is used up. */
void lp_meter_look(lp_meter *m);

/* Counts n steps. */
static inline void lp_meter_spend(lp_meter *m, size_t n) {
  if (n < m->left)
    m->left -= n;
  else
    lp_meter_look(m);
}

#endif
