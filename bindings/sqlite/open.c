/* bindings/sqlite/open.c: luapool.sqlite.core: databases in files, by SQLite. Every call waits;
 * its work is done in libuv's threads (db.c). scripts/luapool/sqlite.lua adds Db:transaction.
 * Layer: bindings; any process. */
#include <lauxlib.h>
#include <string.h>

#include "bindings/bindings.h"
#include "bindings/sqlite/batch.h"
#include "bindings/sqlite/db.h"
#include "bindings/sqlite/rows.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"
#include "runtime/wire/wire.h"

static const char DB[] = "luapool.sqlite.Db";
static const char TRANSACTION[] = "luapool.sqlite.Transaction";

static lpb_sqlite_db *check_db(lua_State *L, const char *method) {
  lpb_sqlite_db **db = luaL_testudata(L, 1, DB);
  if (!db) lp_usage_self(L, method, DB);
  return *db;
}

/* ---- opening and closing ---- */

static int push_db(lua_State *L, lpb_sqlite_db_call *call) {
  (void)call;
  lua_settop(L, 4); /* below the fields of the call stands the object */
  return 1;
}

/* SQL reaches other files in a thread, where the host cannot be asked: there it may do so only
 * when the host is not to be asked at all. */
static bool may_attach(lua_State *L) {
  unsigned both = LP_ALLOW_READ | LP_ALLOW_WRITE;
  return (lp_allow_bits(L) & both) == both && !lp_state_of(L)->allow;
}

/* core.open(path, readonly, timeout) -> db. */
static int sqlite_open(lua_State *L) {
  const char *path = lp_usage_string(L, 1, "sqlite.open", NULL);
  lua_settop(L, 3);
  bool file = *path && strcmp(path, ":memory:") != 0;
  if (file) lp_allow_path(L, LP_ALLOW_READ, path);
  if (file && !lua_toboolean(L, 2)) lp_allow_path(L, LP_ALLOW_WRITE, path);
  lpb_sqlite_db **db = lp_object_new(L, sizeof *db, 0);
  *db = NULL;
  luaL_setmetatable(L, DB);
  *db = lpb_sqlite_db_new(lp_state_of(L), lua_toboolean(L, 2), lua_tonumber(L, 3));
  if (!*db) lp_raise_code(L, LP_EMEMORY, "sqlite.open");
  lpb_sqlite_db_call *call =
      lpb_sqlite_db_call_new(L, *db, LPB_SQLITE_WORK_OPEN, "sqlite.open");
  call->work.readonly = lua_toboolean(L, 2);
  (*db)->work.guarded = lp_allow_guarded(L);
  (*db)->work.attaches = may_attach(L);
  call->push = push_db;
  return lpb_sqlite_db_await(L, call, lpb_sqlite_db_set_sql(call, path));
}

static int db_gc(lua_State *L) {
  lpb_sqlite_db **db = lua_touserdata(L, 1);
  if (*db) lpb_sqlite_db_drop(*db);
  *db = NULL;
  return 0;
}

/* Closes the database when the calls that were made before, and a transaction that is open,
 * have ended. Whoever calls later gets kind `closed`. Safe twice.
 *
 * ```lua
 * local db = sqlite.open ":memory:"
 * db:close()
 * print(select(2, pcall(db.exec, db, "SELECT 1")).kind) --> closed
 * ```
 * @function Db:close
 * @async */
static int db_close(lua_State *L) {
  return lpb_sqlite_db_close(L, check_db(L, "Db:close"), "Db:close");
}

/* ---- SQL ---- */

/* Checks the arguments of a call with SQL. */
static lpb_sqlite_db *check_sql(lua_State *L, const char *method) {
  lpb_sqlite_db *db = check_db(L, method);
  lp_usage_string(L, 2, method, NULL);
  lpb_sqlite_value_check(L, 3, method);
  return db;
}

static int call_sql(lua_State *L, lpb_sqlite_work_verb verb, const char *method,
                    int (*push)(lua_State *L, lpb_sqlite_db_call *call)) {
  lpb_sqlite_db *db = check_sql(L, method);
  lpb_sqlite_db_call *call = lpb_sqlite_db_call_new(L, db, verb, method);
  call->push = push;
  int rc = lpb_sqlite_db_set_sql(call, lua_tostring(L, 2));
  if (rc == 0) rc = lpb_sqlite_value_write(L, 3, &call->work.params);
  return lpb_sqlite_db_await(L, call, rc);
}

static int push_changes(lua_State *L, lpb_sqlite_db_call *call) {
  lua_pushinteger(L, call->work.changes);
  lua_pushinteger(L, call->work.rowid);
  return 2;
}

/* Runs SQL to its end. Without parameters it may be several statements. Returns how many rows
 * have been changed, and the key of the row that this connection has inserted last.
 *
 * ```lua
 * local db <close> = sqlite.open ":memory:"
 * db:exec "CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT UNIQUE, size INTEGER)"
 * print(db:exec("INSERT INTO page (url, size) VALUES (?, ?)", "/a", 10)) --> 1 1
 * db:exec("INSERT INTO page (url, size) VALUES (:url, :size)", { url = "/b", size = 20 })
 * print(db:exec "UPDATE page SET size = size + 1") --> 2 2
 * local ok, e = pcall(db.exec, db, "INSERT INTO page (url) VALUES ('/a')")
 * print(e.kind, e.code) --> constraint SQLITE_CONSTRAINT_UNIQUE
 * ```
 * @function Db:exec
 * @async
 * @param sql string
 * @param ... any the values of `?`, or one table with the values of `:name`
 * @return integer changes
 * @return integer key
 * @raises sqlite fields `code` and `sql`
 * @raises constraint fields `code` and `sql`
 * @raises busy fields `code` and `sql` */
static int db_exec(lua_State *L) {
  return call_sql(L, LPB_SQLITE_WORK_EXEC, "Db:exec", push_changes);
}

static int push_first(lua_State *L, lpb_sqlite_db_call *call) {
  size_t at = 0;
  if (call->work.count == 0) {
    lua_pushnil(L);
    return 1;
  }
  lpb_sqlite_value_push_names(L, &call->work.names);
  lpb_sqlite_value_push_row(L, &call->work.rows, &at, lua_gettop(L));
  return 1;
}

/* Returns the first row, or nil when there is none.
 *
 * ```lua
 * local db <close> = sqlite.open ":memory:"
 * print(db:first("SELECT ? + 1 AS n", 41).n, db:first "SELECT 1 WHERE 0") --> 42 nil
 * ```
 * @function Db:first
 * @async
 * @param sql string
 * @param ... any as of `Db:exec`
 * @return table? row
 * @raises sqlite fields `code` and `sql`
 * @raises constraint fields `code` and `sql`
 * @raises busy fields `code` and `sql` */
static int db_first(lua_State *L) {
  return call_sql(L, LPB_SQLITE_WORK_FIRST, "Db:first", push_first);
}

/* Returns the rows of a query, one after the other: tables by the names of their columns, in
 * which NULL is nil. They are fetched in batches, so a large result needs little memory. The
 * query runs when the first row is asked for. Until its last row, or the end of the loop, it
 * keeps the database locked for those who write from other connections.
 *
 * ```lua
 * local db <close> = sqlite.open ":memory:"
 * db:exec "CREATE TABLE t (n, name); INSERT INTO t VALUES (1, 'one'), (2, NULL)"
 * for row in db:rows("SELECT n, name FROM t WHERE n > ? ORDER BY n", 0) do
 *   print(row.n, row.name) --> 1 one
 * end                      --> 2 nil
 * ```
 * @function Db:rows
 * @param sql string
 * @param ... any as of `Db:exec`
 * @return luapool.sqlite.Rows rows called, it returns the next row; with it comes what a `for`
 * loop needs to end it
 * @raises sqlite fields `code` and `sql`
 * @raises constraint fields `code` and `sql`
 * @raises busy fields `code` and `sql` */
static int db_rows(lua_State *L) {
  lpb_sqlite_rows_push(L, check_sql(L, "Db:rows"));
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  return 4;
}

/* ---- transactions ---- */

static lpb_sqlite_db_transaction *check_transaction(lua_State *L) {
  return luaL_checkudata(L, 1, TRANSACTION);
}

static int push_transaction(lua_State *L, lpb_sqlite_db_call *call) {
  (void)call;
  lua_settop(L, 2);
  return 1;
}

/* core.begin(db) -> transaction: waits until those of other tasks have ended. */
static int sqlite_begin(lua_State *L) {
  lpb_sqlite_db *db = check_db(L, "Db:transaction");
  lua_settop(L, 1);
  lpb_sqlite_db_transaction *t = lp_object_new(L, sizeof *t, 0);
  *t = (lpb_sqlite_db_transaction){.db = db};
  lpb_sqlite_db_hold(db);
  luaL_setmetatable(L, TRANSACTION);
  lpb_sqlite_db_call *call =
      lpb_sqlite_db_call_new(L, db, LPB_SQLITE_WORK_BEGIN, "Db:transaction");
  call->object = t;
  call->push = push_transaction;
  return lpb_sqlite_db_await(L, call, 0);
}

/* core.commit(transaction). */
static int sqlite_commit(lua_State *L) {
  lpb_sqlite_db_transaction *t = check_transaction(L);
  if (t->depth != t->db->depth)
    lp_usage_raise(L, "Db:transaction", "another one inside it is still open");
  lpb_sqlite_db_call *call =
      lpb_sqlite_db_call_new(L, t->db, LPB_SQLITE_WORK_COMMIT, "Db:transaction");
  call->object = t;
  return lpb_sqlite_db_await(L, call, 0);
}

/* A transaction that was not committed is rolled back. */
static int transaction_close(lua_State *L) {
  lpb_sqlite_db_undo(check_transaction(L));
  return 0;
}

static int transaction_gc(lua_State *L) {
  lpb_sqlite_db_transaction *t = lua_touserdata(L, 1);
  transaction_close(L);
  lpb_sqlite_db_release(t->db);
  return 0;
}

/* ---- the module ---- */

/* core.check(db, method). Raises unless the method was called on a database. */
static int sqlite_check(lua_State *L) {
  check_db(L, luaL_checkstring(L, 2));
  return 0;
}

/* core.batch(db) -> a batch: see batch.c. */
static int sqlite_batch(lua_State *L) {
  lpb_sqlite_batch_push(L, check_db(L, "sqlite.batch"));
  return 1;
}

/* core.blob(bytes) -> a value that is stored as a blob. */
static int sqlite_blob(lua_State *L) {
  lp_usage_string(L, 1, "sqlite.blob", &(size_t){0});
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_tostring(L, -1); /* of a number */
  lua_rawseti(L, -2, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_sqlite_value_blob);
  lua_setmetatable(L, -2);
  return 1;
}

/* Blobs travel: the mark has a name. */
static void open_blob(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "luapool.sqlite.Blob");
  lua_setfield(L, -2, "__name");
  lp_wire_name(L, -1, "luapool.sqlite.blob");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lpb_sqlite_value_blob);
}

static void open_transaction(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__close", transaction_close}, {"__gc", transaction_gc}, {NULL, NULL}};
  luaL_newmetatable(L, TRANSACTION);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}

/* Pushes the methods, to which scripts/luapool/sqlite.lua adds those that are written in Lua.
 */
static void push_db_methods(lua_State *L) {
  static const luaL_Reg meta[] = {{"__close", db_close}, {"__gc", db_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"exec", db_exec},
                                     {"first", db_first},
                                     {"rows", db_rows},
                                     {"close", db_close},
                                     {NULL, NULL}};
  luaL_newmetatable(L, DB);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}

int luaopen_luapool_sqlite_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", sqlite_open}, {"begin", sqlite_begin}, {"commit", sqlite_commit},
      {"blob", sqlite_blob}, {"check", sqlite_check}, {"batch", sqlite_batch},
      {NULL, NULL}};
  open_blob(L);
  open_transaction(L);
  lpb_sqlite_rows_open(L);
  lpb_sqlite_batch_open(L);
  luaL_newlib(L, functions);
  push_db_methods(L);
  lua_setfield(L, -2, "Db");
  return 1;
}
