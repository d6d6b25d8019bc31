/* bindings/sync/open.c: luapool.sync.core: what luapool.sync stands on: lines of waiting tasks,
 * who holds what, and objects in other processes. Layer: bindings. */
#include "bindings/bindings.h"
#include "bindings/sync/ask.h"
#include "bindings/sync/holder.h"
#include "bindings/sync/remote.h"
#include "bindings/sync/waiters.h"
#include "runtime/loop/raise.h"

/* core.raise(kind or nil, message). Raises an error object at the place of the user's code, or
 * a string when there is no kind. */
static int sync_raise(lua_State *L) {
  const char *kind = luaL_optstring(L, 1, NULL), *message = luaL_checkstring(L, 2);
  return kind ? lp_raise(L, kind, "%s", message) : lp_raise_text(L, message);
}

int luaopen_luapool_sync_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"raise", sync_raise}, {NULL, NULL}};
  lpb_sync_waiters_open(L);
  lpb_sync_holder_open(L);
  lpb_sync_remote_open(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_sync_waiters_functions, 0);
  luaL_setfuncs(L, lpb_sync_holder_functions, 0);
  luaL_setfuncs(L, lpb_sync_remote_functions, 0);
  luaL_setfuncs(L, lpb_sync_ask_functions, 0);
  return 1;
}
