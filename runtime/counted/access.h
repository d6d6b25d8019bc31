/* counted/access.h: how our functions reach the standard function that they stand for, and
 * those of `table` their list: through metamethods, in whose absence it must be a table. Layer:
 * counted. */
#ifndef LP_COUNTED_ACCESS_H
#define LP_COUNTED_ACCESS_H

#include <lua.h>

enum { LP_ACCESS_READ = 1, LP_ACCESS_WRITE = 2, LP_ACCESS_LENGTH = 4 };

/* The argument is a table, or has the metamethods for what is done with it. */
void lp_access_check(lua_State *L, int arg, int what);

/* The same, with a length, which is returned. */
lua_Integer lp_access_length(lua_State *L, int arg, int what);

/* Calls upvalue 1 with the arguments of the running function, whose results are those then. */
int lp_access_standard(lua_State *L);

#endif
