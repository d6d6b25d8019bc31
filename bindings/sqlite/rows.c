/* bindings/sqlite/rows.c: the rows of a query. A thread fetches them in batches; between two of
 * them the statement stands at a row and belongs to the Rows, while a batch is fetched to the
 * call. Layer: bindings. */
#include "bindings/sqlite/rows.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static const char ROWS[] = "luapool.sqlite.Rows";

typedef struct rows {
  lpb_sqlite_db *db;
  /* The parameters, until the first batch is fetched. */
  lpb_sqlite_value_params params;
  /* NULL before the first batch, while one is fetched, and after the last one. */
  lpb_sqlite_work_statement *statement;
  /* The batch, where its next row begins, and how many there are from there on. */
  lp_buf batch;
  size_t at;
  int left;
  bool begun, closed;
  /* A batch is being fetched, or its task was cancelled meanwhile. */
  bool fetching;
} rows;

/* User values. */
enum { DB = 1, SQL, NAMES };

static rows *check_self(lua_State *L, const char *method) {
  rows *r = luaL_testudata(L, 1, ROWS);
  if (!r) lp_usage_self(L, method, ROWS);
  return r;
}

void lpb_sqlite_rows_push(lua_State *L, lpb_sqlite_db *db) {
  rows *r = lp_object_new(L, sizeof *r, 3);
  memset(r, 0, sizeof *r);
  lpb_sqlite_db_hold(r->db = db);
  luaL_setmetatable(L, ROWS);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, DB);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, SQL);
  lua_insert(L, 1); /* the parameters stay on top */
  int rc = lpb_sqlite_value_write(L, 4, &r->params);
  if (rc < 0) lp_raise_code(L, rc, "Db:rows");
  lua_settop(L, 1);
}

static int push_end(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

/* Pushes the next row of the batch, or nil. */
static int push_row(lua_State *L, rows *r) {
  if (r->left == 0) return push_end(L);
  lua_getiuservalue(L, 1, NAMES);
  lpb_sqlite_value_push_row(L, &r->batch, &r->at, lua_gettop(L));
  r->left--;
  return 1;
}

static int push_batch(lua_State *L, lpb_sqlite_db_call *call) {
  rows *r = call->object;
  if (call->work.names.len > 0) {
    lpb_sqlite_value_push_names(L, &call->work.names);
    lua_setiuservalue(L, 1, NAMES);
  }
  lp_buf_close(&r->batch);
  r->batch = call->work.rows;
  call->work.rows = (lp_buf){0};
  r->at = 0;
  r->left = call->work.count;
  r->statement = call->work.statement;
  call->work.statement = NULL;
  r->fetching = false;
  return push_row(L, r);
}

static int fetch(lua_State *L, rows *r) {
  lpb_sqlite_db_call *call = lpb_sqlite_db_call_new(L, r->db, LPB_SQLITE_WORK_FETCH, "Db:rows");
  call->push = push_batch;
  call->object = r;
  lua_getiuservalue(L, 1, SQL);
  int rc = lpb_sqlite_db_set_sql(call, lua_tostring(L, -1));
  call->work.params = r->params;
  r->params = (lpb_sqlite_value_params){0};
  call->work.statement = r->statement;
  r->statement = NULL;
  r->begun = r->fetching = true;
  return lpb_sqlite_db_await(L, call, rc);
}

/* rows() -> the next row, or nil behind the last one. */
static int rows_call(lua_State *L) {
  rows *r = check_self(L, "Db:rows");
  lua_settop(L, 1);
  if (r->closed) return push_end(L);
  if (r->left > 0) return push_row(L, r);
  if (r->fetching)
    return lp_usage_raise(L, "Db:rows",
                          "another task fetches the next rows, or was cancelled "
                          "while it did");
  return r->begun && !r->statement ? push_end(L) : fetch(L, r);
}

/* Ends the iteration before its last row. The end of a `for` loop does so, too.
 *
 * ```lua
 * local db <close> = sqlite.open ":memory:"
 * local rows = db:rows "SELECT 1 AS n UNION SELECT 2"
 * print(rows().n) --> 1
 * rows:close()
 * print(rows()) --> nil
 * ```
 * @function Rows:close */
static int rows_close(lua_State *L) {
  rows *r = check_self(L, "Rows:close");
  r->closed = true;
  if (r->statement) lpb_sqlite_db_put_back(r->db, r->statement);
  r->statement = NULL;
  lp_buf_close(&r->params.data);
  lp_buf_close(&r->batch);
  return 0;
}

static int rows_gc(lua_State *L) {
  rows *r = lua_touserdata(L, 1);
  rows_close(L);
  lpb_sqlite_db_release(r->db);
  return 0;
}

void lpb_sqlite_rows_open(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__call", rows_call}, {"__close", rows_close}, {"__gc", rows_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", rows_close}, {NULL, NULL}};
  luaL_newmetatable(L, ROWS);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
