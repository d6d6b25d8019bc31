/* loop/object.h: userdata with finalizers that need the runtime. In a state of the host they
 * may be alive when the runtime closes; then their finalizers are called, and nothing is left
 * in them that needs it. In a state of the runtime's own lua_close does so. Layer: loop. */
#ifndef LP_LOOP_OBJECT_H
#define LP_LOOP_OBJECT_H

#include <lua.h>
#include <stddef.h>

/* As lua_newuserdatauv, for an object whose metatable will have a __gc. */
void *lp_object_new(lua_State *L, size_t size, int values);

/* A C function: calls the finalizers of all objects that are alive, the youngest first, and
 * leaves shells, whose use raises an error. The runtime is being detached. */
int lp_object_finalize_all(lua_State *L);

#endif
