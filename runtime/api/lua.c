/* api/lua.c: finds another Lua that stands before liblua5.4. Layer: api. */
#include "runtime/api/lua.h"

#include <dlfcn.h>
#include <lua.h>

/* lua_gettop is in every Lua, lua_toclose in none that is older than 5.4: where both come from
 * one library all functions do. A program that is linked statically has no libraries. */
const char *lp_lua_stranger(void) {
  static const char nameless[] = "another library";
  Dl_info any, ours;
  if (!dladdr((void *)lua_gettop, &any) || !dladdr((void *)lua_toclose, &ours)) return NULL;
  if (any.dli_fbase == ours.dli_fbase && lua_version(NULL) == LUA_VERSION_NUM) return NULL;
  return any.dli_fname && *any.dli_fname ? any.dli_fname : nameless;
}
