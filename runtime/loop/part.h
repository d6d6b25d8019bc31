/* loop/part.h: what stands above the loop and lives as long as the runtime: pools, HTTP.
 *
 * A part registers itself, and the runtime calls it back when it closes. The loop knows no more
 * of it. A class is told by its address: a runtime has at most one part of each. Layer: loop.
 * Owner: whoever made the part, which embeds an lp_part in its own struct. */
#ifndef LP_LOOP_PART_H
#define LP_LOOP_PART_H

#include <stdbool.h>

#include "runtime/base/list.h"

typedef struct lp_state lp_state;
typedef struct lp_part lp_part;

/* The callbacks come in this order; each may be NULL. */
typedef struct lp_part_class {
  /* The runtime begins to close: ask everything that still runs to end. */
  void (*stop)(lp_part *part);

  /* True while something that `stop` has asked has not ended; the loop goes on turning then,
   * for a few seconds at most. */
  bool (*busy)(const lp_part *part);

  /* End what still runs by force and begin to close the handles. Lua is still open. */
  void (*close)(lp_part *part);

  /* The loop is empty and Lua is closed: free the part. */
  void (*free)(lp_part *part);
} lp_part_class;

struct lp_part {
  lp_list link; /* in lp_state.parts */
  const lp_part_class *class;
};

/* Registers a part of `st`; the latest is called first. */
void lp_part_add(lp_state *st, lp_part *part, const lp_part_class *class);

/* Takes a part out: nothing is called any more. */
void lp_part_remove(lp_part *part);

/* The part of this class, or NULL. */
lp_part *lp_part_find(const lp_state *st, const lp_part_class *class);

/* What lp_state_close calls. */
void lp_part_stop_all(lp_state *st);
bool lp_part_any_busy(const lp_state *st);
void lp_part_close_all(lp_state *st);
void lp_part_free_all(lp_state *st);

#endif
