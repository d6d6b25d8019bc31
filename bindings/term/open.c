/* bindings/term/open.c: luapool.term.core: what is written to the terminal. Layer: bindings.
 * Process: main. */
#include "bindings/bindings.h"
#include "bindings/term/screen.h"
#include "bindings/term/stdout.h"

int luaopen_luapool_term_core(lua_State *L) {
  lua_newtable(L);
  lpb_term_screen_open(L);
  luaL_setfuncs(L, lpb_term_stdout_functions, 0);
  return 1;
}
