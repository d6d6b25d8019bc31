/* bindings/term/open.c: luapool.term.core: the bars on the terminal, and what is read from it.
 * Layer: bindings. Process: main. */
#include "bindings/bindings.h"
#include "bindings/term/screen.h"
#include "bindings/term/stdin.h"

int luaopen_luapool_term_core(lua_State *L) {
  lua_newtable(L);
  lpb_term_screen_open(L);
  luaL_setfuncs(L, lpb_term_stdin_functions, 0);
  return 1;
}
