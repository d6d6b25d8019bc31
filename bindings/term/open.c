/* bindings/term/open.c: luapool.term.core: what is written to the terminal, and read from it.
 * Layer: bindings. Process: main. */
#include "bindings/bindings.h"
#include "bindings/term/screen.h"
#include "bindings/term/stdin.h"
#include "bindings/term/stdout.h"

int luaopen_luapool_term_core(lua_State *L) {
  lua_newtable(L);
  lpb_term_screen_open(L);
  luaL_setfuncs(L, lpb_term_stdout_functions, 0);
  luaL_setfuncs(L, lpb_term_stdin_functions, 0);
  return 1;
}
