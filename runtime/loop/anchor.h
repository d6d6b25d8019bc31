/* loop/anchor.h: userdata that the runtime holds, each under a number: the Task objects of live
 * tasks, of which there may be a million. They stand in many small tables: see anchor.c.
 * Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_ANCHOR_H
#define LP_LOOP_ANCHOR_H

#include <lua.h>

typedef struct lp_anchors {
  /* Registry reference of the list of the tables' own registry references. */
  int tables;
  /* How many tables there are. */
  int count;
  /* A number that is free, or 0. */
  int free;
} lp_anchors;

/* Makes the list. Called once, when a state is opened. */
void lp_anchor_open(lua_State *L, lp_anchors *a);

/* Holds the userdata on top of the stack, which stays there. Returns its number, above 0. */
int lp_anchor_add(lua_State *L, lp_anchors *a);

/* Lets go of the userdata with this number. Never raises. */
void lp_anchor_remove(lua_State *L, lp_anchors *a, int number);

/* Pushes the userdata with this number. */
void lp_anchor_push(lua_State *L, int number);

/* Walks all of them in no order: the caller sets `*place` to 0 first. Returns NULL at the end.
 */
void *lp_anchor_next(lua_State *L, const lp_anchors *a, int *place);

#endif
