/* bindings/bindings.h: the modules in C. The open file of each folder has one luaopen_
 * function, and the table in runtime/api/modules.c lists them. Layer: bindings. */
#ifndef LPB_BINDINGS_H
#define LPB_BINDINGS_H

#include <lua.h>

int luaopen_luapool_charset_core(lua_State *L);
int luaopen_luapool_core(lua_State *L);
int luaopen_luapool_csv_core(lua_State *L);
int luaopen_luapool_digest_core(lua_State *L);
int luaopen_luapool_dns(lua_State *L);
int luaopen_luapool_fs_core(lua_State *L);
int luaopen_luapool_gzip_core(lua_State *L);
int luaopen_luapool_html_core(lua_State *L);
int luaopen_luapool_http_core(lua_State *L);
int luaopen_luapool_job_core(lua_State *L);
int luaopen_luapool_json_core(lua_State *L);
int luaopen_luapool_log_core(lua_State *L);
int luaopen_luapool_pool_core(lua_State *L);
int luaopen_luapool_process_core(lua_State *L);
int luaopen_luapool_redis_core(lua_State *L);
int luaopen_luapool_sandbox_core(lua_State *L);
int luaopen_luapool_socket_core(lua_State *L);
int luaopen_luapool_socket_stream(lua_State *L);
int luaopen_luapool_sqlite_core(lua_State *L);
int luaopen_luapool_sync_core(lua_State *L);
int luaopen_luapool_task_core(lua_State *L);
int luaopen_luapool_term_core(lua_State *L);
int luaopen_luapool_tls_core(lua_State *L);
int luaopen_luapool_url_core(lua_State *L);

#endif
