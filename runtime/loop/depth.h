/* loop/depth.h: how deep C functions and Lua may call one another (a callback of string.gsub
 * that calls string.gsub, and so on): as deep as the C stack of the thread allows. Lua itself
 * allows 200 levels whatever the stack, and raises "C stack overflow" beyond. Layer: loop.
 * Owner: lp_state. */
#ifndef LP_LOOP_DEPTH_H
#define LP_LOOP_DEPTH_H

#include <lua.h>

typedef struct lp_state lp_state;

typedef struct lp_depth {
  /* Lua counts the levels of a coroutine from those of its resumer. Tasks are resumed from this
   * coroutine, which has as many as are taken away from them; NULL: none are. */
  lua_State *from;
  int taken;
} lp_depth;

/* Fits the depth to what is left of the stack of the calling thread, and to limits.stack. When
 * there is no memory for that, the next call does it. */
void lp_depth_fit(lp_state *st);

#endif
