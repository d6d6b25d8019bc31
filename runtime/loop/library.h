/* loop/library.h: in a Lua state of the host, the functions of the standard libraries that
 * luapool replaces. The host keeps its own; those of luapool take their place while the host
 * wants so. Layer: loop. */
#ifndef LP_LOOP_LIBRARY_H
#define LP_LOOP_LIBRARY_H

#include <lua.h>

/* Pushes what stands in the globals and in the libraries now. */
void lp_library_note(lua_State *L);

/* Stack: what lp_library_note has pushed, which is popped. Puts back what has changed since,
 * and remembers the changes. */
void lp_library_put_back(lua_State *L);

/* A C function for Lua: makes the changes that lp_library_put_back has remembered, or puts back
 * what stood there when they are made. */
int lp_library_exchange(lua_State *L);

#endif
