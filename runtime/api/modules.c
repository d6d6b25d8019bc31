/* api/modules.c: one row for each module in C; the Lua half comes from lp_scripts. Modules
 * are opened when a script first requires them. Layer: api; main and workers. */
#include "runtime/api/modules.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "bindings/bindings.h"
#include "bindings/process/process.h"
#include "runtime/loop/env.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/state.h"
#include "runtime/loop/trust.h"
#include "runtime/wire/wire.h"

static const luaL_Reg modules[] = {
    {"luapool.charset.core", luaopen_luapool_charset_core},
    {"luapool.core", luaopen_luapool_core},
    {"luapool.csv.core", luaopen_luapool_csv_core},
    {"luapool.digest.core", luaopen_luapool_digest_core},
    {"luapool.dns", luaopen_luapool_dns},
    {"luapool.fs.core", luaopen_luapool_fs_core},
    {"luapool.gzip.core", luaopen_luapool_gzip_core},
    {"luapool.html.core", luaopen_luapool_html_core},
    {"luapool.http.core", luaopen_luapool_http_core},
    {"luapool.job.core", luaopen_luapool_job_core},
    {"luapool.json.core", luaopen_luapool_json_core},
    {"luapool.log.core", luaopen_luapool_log_core},
    {"luapool.pool.core", luaopen_luapool_pool_core},
    {"luapool.process.core", luaopen_luapool_process_core},
    {"luapool.redis.core", luaopen_luapool_redis_core},
    {"luapool.sandbox.core", luaopen_luapool_sandbox_core},
    {"luapool.socket.core", luaopen_luapool_socket_core},
    {"luapool.socket.stream", luaopen_luapool_socket_stream},
    {"luapool.sqlite.core", luaopen_luapool_sqlite_core},
    {"luapool.sync.core", luaopen_luapool_sync_core},
    {"luapool.task.core", luaopen_luapool_task_core},
    {"luapool.term.core", luaopen_luapool_term_core},
    {"luapool.tls.core", luaopen_luapool_tls_core},
    {"luapool.url.core", luaopen_luapool_url_core},
};

static const lp_script *find_script(const char *name) {
  for (size_t i = 0; i < lp_scripts_count; i++)
    if (strcmp(lp_scripts[i].name, name) == 0) return &lp_scripts[i];
  return NULL;
}

/* A searcher of package.searchers for the Lua half. */
static int search_scripts(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (!lp_state_is_open(L)) return 0;
  const lp_script *script = find_script(name);
  if (!script) {
    if (strncmp(name, "luapool.", 8) != 0) return 0;
    lua_pushfstring(L, "no part '%s' of luapool", name);
    return 1;
  }
  if (luaL_loadbufferx(L, (const char *)script->bytes, script->len, script->chunk, "b"))
    return lua_error(L);
  lp_trust_enter(L);
  lp_env_push(L);
  lua_setupvalue(L, -2, 1);
  lua_pushstring(L, script->chunk + 1);
  return 2;
}

/* Behind package.preload and before the file system: nobody's file shadows a part of luapool.
 */
static void add_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_scripts);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

/* Error objects keep their kind between processes: their class travels by name. So do the
 * globals of the Lua half, which its functions hold. */
static void name_ours(lua_State *L) {
  luaL_getmetatable(L, "luapool.error");
  lp_wire_name(L, -1, "luapool.error.class");
  lp_env_push(L);
  lp_wire_name(L, -1, "luapool.env");
  lua_pop(L, 2);
}

/* The functions that our own scripts have in place of the standard ones travel by name too. */
static void name_functions(lua_State *L) {
  static const char *const names[] = {"require", "rawset", "setmetatable"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushfstring(L, "luapool.env.%s", names[i]);
    lp_env_get(L, names[i]);
    lp_wire_name(L, -1, lua_tostring(L, -2));
    lua_pop(L, 2);
  }
}

/* Stack: luapool.internal.require. Scripts get one function, our own another one. */
static void set_require(lua_State *L) {
  lua_pushvalue(L, -1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_insert(L, -2);
  lua_setfield(L, -2, "luapool.internal.require");
  lua_getfield(L, -2, "user");
  lua_setglobal(L, "require");
  lp_env_push(L);
  lua_getfield(L, -3, "system");
  lua_setfield(L, -2, "require");
  lua_pop(L, 3);
  name_functions(L);
}

/* Opens a part in C, whatever scripts have done to `package`. */
static int open_part(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_CFunction open = luaopen_luapool_error_core;
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
    if (strcmp(modules[i].name, name) == 0) open = modules[i].func;
  luaL_requiref(L, name, open, 0);
  return 1;
}

/* Runs the script, which gets what it cannot find for itself later. */
static void add_require(lua_State *L) {
  lua_pushcfunction(L, search_scripts);
  lua_pushliteral(L, "luapool.internal.require");
  lua_call(L, 1, 1);
  lua_pushcfunction(L, open_part);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_LOADLIBNAME);
  lua_insert(L, -2);
  lua_pushcfunction(L, search_scripts);
  lua_call(L, 4, 1);
  set_require(L);
}

int lp_modules_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
    lua_pushcfunction(L, modules[i].func);
    lua_setfield(L, -2, modules[i].name);
  }
  lua_getglobal(L, "os");
  lua_pushcfunction(L, lpb_process_execute);
  lua_setfield(L, -2, "execute");
  lua_getglobal(L, "io");
  lua_pushcfunction(L, lpb_process_popen);
  lua_setfield(L, -2, "popen");
  lua_pop(L, 3);
  lp_env_open(L);
  name_ours(L);
  add_searcher(L);
  add_require(L);
  return 0;
}
