/* loop/warning.h: what Lua warns of: `warn`, which a script switches on with "@on", and the
 * errors of finalizers, which nobody can catch. Both go to the runtime's `text`. Layer: loop.
 * Owner: lp_state, which embeds it. */
#ifndef LP_LOOP_WARNING_H
#define LP_LOOP_WARNING_H

#include <stdbool.h>

#include "runtime/base/buf.h"

typedef struct lp_state lp_state;

typedef struct lp_warning {
  /* The script wants to hear its own warnings. */
  bool on;
  /* The pieces of a message that is not complete. */
  lp_buf text;
} lp_warning;

/* Lua's warnings go through here from now on. */
void lp_warning_open(lp_state *st);

/* Gives the memory back, after Lua is closed. */
void lp_warning_close(lp_state *st);

#endif
