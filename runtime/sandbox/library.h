/* sandbox/library.h: the standard libraries as an environment has them. Layer: sandbox. */
#ifndef LP_SANDBOX_LIBRARY_H
#define LP_SANDBOX_LIBRARY_H

#include <lua.h>

/* Sets the libraries that an environment with these bits has in the table on top: frozen ones,
 * which all environments share, but for `math`, whose random numbers are its own. */
void lp_library_open(lua_State *L, unsigned allowed);

#endif
