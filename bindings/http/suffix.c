/* bindings/http/suffix.c: the list of public suffixes that libpsl carries. Layer: bindings. */
#include "bindings/http/suffix.h"

#include <lauxlib.h>
#include <libpsl.h>

int lpb_http_suffix(lua_State *L) {
  lua_pushboolean(L, psl_is_public_suffix(psl_builtin(), luaL_checkstring(L, 1)));
  return 1;
}
