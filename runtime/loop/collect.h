/* loop/collect.h: when garbage is collected.
 *
 * While the host lets the loop run, Lua collects by itself, in the middle of what tasks do. In
 * steps, which have an end, it does not: each step begins with a share of its time for the
 * collector, and its tasks are not interrupted by it. A piece of the collector's work that
 * takes longer than the share (one look at the stacks of all tasks, which cannot be cut) is
 * paid back in the steps that follow. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_COLLECT_H
#define LP_LOOP_COLLECT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lp_state lp_state;

typedef struct lp_collect {
  /* Lua does not collect by itself: steps do. */
  bool by_hand;
  /* A script has stopped the collector. */
  bool stopped;
  /* A cycle is under way. */
  bool cycling;
  /* A further cycle is asked for, whatever the heap holds. */
  bool wanted;
  /* lp_collect_for has asked for it, and goes on with it when it is called again. */
  bool asked;
  /* All that is alive is marked, in this cycle. */
  bool marked;
  /* Bytes of what was alive in the last cycle that is complete. */
  size_t live;
  /* Bytes of what is alive in this one: once it is marked, what the heap held then, less what
   * the collector has freed since. */
  size_t left;
  /* Nanoseconds that the collector has had beyond its share. */
  int64_t owed;
} lp_collect;

/* Puts a function in place of collectgarbage. Inside of steps that does not collect: the steps
 * that follow do what it has asked for. */
void lp_collect_open(lua_State *L);

/* The share of a step that goes from `start` to `end`, times of uv_hrtime. */
void lp_collect_share(lp_state *st, uint64_t start, uint64_t end);

/* Collects for at most so many microseconds. Returns LP_MORE until a cycle that has begun after
 * the first such call is complete, then 0. */
int lp_collect_for(lp_state *st, int64_t budget_us);

/* Has all garbage collected: at once, or by the steps that follow. */
void lp_collect_soon(lp_state *st);

/* Lua collects by itself again. */
void lp_collect_automatic(lp_state *st);

#endif
