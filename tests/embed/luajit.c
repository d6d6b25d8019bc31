/* A host that has LuaJIT linked before luapool, whose functions have the names that luapool
 * wants of Lua 5.4: it is told so, instead of crashing, and its own LuaJIT works on. The
 * library comes with nginx's Lua module; its header is not needed. first: -l:libluajit-5.1.so.2
 */
#include <luapool.h>

#include "check.h"

typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *L);
int luaL_loadstring(lua_State *L, const char *text);
int lua_pcall(lua_State *L, int n, int results, int handler); /* a macro in Lua 5.4 */
const char *lua_tolstring(lua_State *L, int index, size_t *len);
void lua_close(lua_State *L);

static void own_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK_INT(0, luaL_loadstring(L, "return jit.version"));
  CHECK_INT(0, lua_pcall(L, 0, 1, 0));
  CHECK_LIKE("LuaJIT", lua_tolstring(L, -1, NULL));
  lua_close(L);
}

static void linked(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt = (luapool *)&options;
  CHECK_INT(LUAPOOL_ELUA, luapool_open(&rt, &options));
  CHECK(rt == NULL);
  CHECK_LIKE("libluajit", luapool_error(NULL));
  lua_State *L = luaL_newstate();
  rt = (luapool *)&options;
  CHECK_INT(LUAPOOL_ELUA, luapool_attach(&rt, L, NULL, &options));
  CHECK(rt == NULL);
  lua_close(L);
}

int main(void) {
  own_state();
  linked();
  own_state();
  return check_done();
}
