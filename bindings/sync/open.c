/* bindings/sync/open.c: luapool.sync.core: lines of waiting tasks, who holds what, and objects
 * that stay in another process. Layer: bindings. */
#include "bindings/bindings.h"
#include "bindings/sync/ask.h"
#include "bindings/sync/holder.h"
#include "bindings/sync/remote.h"
#include "bindings/sync/waiters.h"

int luaopen_luapool_sync_core(lua_State *L) {
  lpb_sync_waiters_open(L);
  lpb_sync_holder_open(L);
  lpb_sync_remote_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, lpb_sync_waiters_functions, 0);
  luaL_setfuncs(L, lpb_sync_holder_functions, 0);
  luaL_setfuncs(L, lpb_sync_remote_functions, 0);
  luaL_setfuncs(L, lpb_sync_ask_functions, 0);
  return 1;
}
