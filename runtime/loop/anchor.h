/* loop/anchor.h: userdata that the runtime holds, each under a number: the Task objects of live
 * tasks, of which there may be a million. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_ANCHOR_H
#define LP_LOOP_ANCHOR_H

#include <lua.h>

typedef struct lp_anchors {
  int tables; /* registry reference of a list of the places of all tables */
  int count;  /* of the tables */
  int free;   /* a number that is free, or 0 */
} lp_anchors;

/* Once, when a state is opened. */
void lp_anchor_open(lua_State *L, lp_anchors *a);

/* Holds the userdata on top of the stack, which stays there. Returns its number, above 0. */
int lp_anchor_add(lua_State *L, lp_anchors *a);

/* Never raises. */
void lp_anchor_remove(lua_State *L, lp_anchors *a, int number);

/* Pushes it. */
void lp_anchor_push(lua_State *L, int number);

/* Walks them all, in no order: from `*place` 0 on, NULL at the end. */
void *lp_anchor_next(lua_State *L, const lp_anchors *a, int *place);

#endif
