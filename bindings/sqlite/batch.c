/* bindings/sqlite/batch.c: many statements in one transaction. The loop gathers them with their
 * parameters as bytes; a thread begins, runs them in their order, and commits. A statement that
 * is a guard must change a row: where one does not, all is rolled back, and its number is told,
 * so that its maker can do without it. Layer: bindings. */
#include "bindings/sqlite/batch.h"

#include <lauxlib.h>
#include <string.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static const char CLASS[] = "luapool.sqlite.Batch";

/* Its object has it, and a call whose thread may still work on it when the task has gone on. */
typedef struct batch {
  lpb_sqlite_db *db;
  int holders;
  /* A thread works on it: nothing may be added. */
  bool running;
  /* The commit need not wait for the disk. */
  bool relaxed;
  /* The latest SQL, as Lua holds it, and its place in `sqls`: most come many times in a row. */
  const char *latest;
  uint32_t latest_sql;
  /* The texts, each with a zero byte behind it, and where each of them begins. */
  lp_buf texts, sqls;
  /* A `step` and its parameters for each statement. */
  lp_buf steps;
  int count;
  /* What came of it: a `result` for each query that had rows, which stand in the call; the
   * numbers of guards that changed nothing. */
  lp_buf results, failed;
} batch;

typedef enum { EXEC, GUARD, QUERY } verb;

typedef struct step {
  uint32_t sql;
  uint16_t verb, params;
} step;

typedef struct result {
  int step, rows;
  /* Where the names of its columns begin, and end. */
  size_t names, names_end;
} result;

static batch *check(lua_State *L) {
  return *(batch **)lpb_class_check(L, CLASS);
}

static void release(void *object) {
  batch *b = object;
  if (--b->holders > 0) return;
  lp_buf *bufs[] = {&b->texts, &b->sqls, &b->steps, &b->results, &b->failed};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) lp_buf_close(bufs[i]);
  lpb_sqlite_db_release(b->db);
  lp_alloc_free(b);
}

/* ---- in a thread ---- */

static const char *text_of(const batch *b, uint32_t sql) {
  size_t at;
  memcpy(&at, b->sqls.data + sql * sizeof at, sizeof at);
  return b->texts.data + at;
}

/* Steps a statement to its end; the rows of a query are added to the call. */
static int run_rows(lpb_sqlite_work *w, lpb_sqlite_work_call *call, batch *b,
                    sqlite3_stmt *stmt, int number) {
  result r = {.step = number, .names = call->names.len};
  int rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    if (r.rows++ == 0 && lpb_sqlite_value_add_names(stmt, &call->names) < 0) rc = SQLITE_NOMEM;
    if (rc == SQLITE_NOMEM || lpb_sqlite_value_add_row(stmt, &call->rows) < 0)
      return lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
  }
  if (rc != SQLITE_DONE) return lpb_sqlite_work_failed(w, call);
  r.names_end = call->names.len;
  if (r.rows == 0 || lp_buf_append(&b->results, &r, sizeof r) == 0) return 0;
  return lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
}

static int run_step(lpb_sqlite_work *w, lpb_sqlite_work_call *call, batch *b,
                    sqlite3_stmt *stmt, verb does, int number) {
  if (does == QUERY) return run_rows(w, call, b, stmt, number);
  int rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
  }
  if (rc != SQLITE_DONE) return lpb_sqlite_work_failed(w, call);
  if (does == EXEC || sqlite3_changes(w->handle) > 0) return 0;
  if (lp_buf_append(&b->failed, &number, sizeof number) == 0) return 0;
  return lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
}

/* Runs all steps; `statements` has a place for each SQL. */
static int run_steps(lpb_sqlite_work *w, lpb_sqlite_work_call *call, batch *b,
                     lpb_sqlite_work_statement **statements) {
  size_t at = 0;
  for (int number = 1; number <= b->count; number++) {
    step s;
    memcpy(&s, b->steps.data + at, sizeof s);
    at += sizeof s;
    lpb_sqlite_work_statement **statement = &statements[s.sql];
    const char *sql = text_of(b, s.sql);
    if (!*statement) *statement = lpb_sqlite_work_prepare(w, call, sql, strlen(sql));
    if (!*statement) return call->code;
    sqlite3_stmt *stmt = (*statement)->stmt;
    int rc = lpb_sqlite_value_bind_from(stmt, &b->steps, &at, s.params, call->message,
                                        sizeof call->message);
    if (rc == SQLITE_MISUSE && *call->message) return call->code = rc;
    rc = rc == SQLITE_OK ? run_step(w, call, b, stmt, (verb)s.verb, number)
                         : lpb_sqlite_work_failed(w, call);
    sqlite3_reset(stmt);
    if (rc != 0) return rc;
  }
  return 0;
}

static int run_text(lpb_sqlite_work *w, lpb_sqlite_work_call *call, const char *sql) {
  lpb_sqlite_work_statement *s = lpb_sqlite_work_prepare(w, call, sql, strlen(sql));
  if (!s) return call->code;
  int rc = sqlite3_step(s->stmt) == SQLITE_DONE ? 0 : lpb_sqlite_work_failed(w, call);
  lpb_sqlite_work_put_back(w, s);
  return rc;
}

/* Takes back what a try that has failed has left. */
static void forget(lpb_sqlite_work_call *call, batch *b) {
  call->rows.len = call->names.len = 0;
  b->results.len = b->failed.len = 0;
}

/* How far a commit waits is set where it changes: before the transaction begins. */
static void set_relaxed(lpb_sqlite_work *w, bool relaxed) {
  if (w->relaxed == relaxed) return;
  sqlite3_exec(w->handle, relaxed ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
               NULL, NULL, NULL);
  w->relaxed = relaxed;
}

static void work(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  batch *b = call->batch;
  size_t n = b->sqls.len / sizeof(size_t);
  lpb_sqlite_work_statement **statements = lp_alloc_new((n + 1) * sizeof *statements);
  if (!statements) {
    lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
    return;
  }
  forget(call, b);
  set_relaxed(w, b->relaxed);
  int rc = run_text(w, call, "BEGIN IMMEDIATE");
  if (rc == 0) rc = run_steps(w, call, b, statements);
  for (size_t i = 0; i < n; i++)
    if (statements[i]) lpb_sqlite_work_put_back(w, statements[i]);
  if (rc == 0 && b->failed.len == 0) rc = run_text(w, call, "COMMIT");
  if (!sqlite3_get_autocommit(w->handle)) sqlite3_exec(w->handle, "ROLLBACK", NULL, NULL, NULL);
  if (rc != 0) forget(call, b);
  lp_alloc_free(statements);
}

/* ---- in the loop ---- */

void lpb_sqlite_batch_push(lua_State *L, lpb_sqlite_db *db) {
  batch **b = lp_object_new(L, sizeof *b, 2);
  *b = NULL;
  luaL_setmetatable(L, CLASS);
  *b = lp_alloc_new(sizeof **b);
  if (!*b) lp_raise_code(L, LP_EMEMORY, "a batch");
  (*b)->holders = 1;
  lpb_sqlite_db_hold((*b)->db = db);
  lua_newtable(L); /* the SQL texts: it keeps them, and tells their places */
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 2);
}

static int add_text(batch *b, const char *sql, size_t len) {
  size_t at = b->texts.len;
  int rc = lp_buf_append(&b->texts, sql, len + 1);
  return rc < 0 ? rc : lp_buf_append(&b->sqls, &at, sizeof at);
}

/* The place of the SQL that is argument 2. */
static uint32_t find_sql(lua_State *L, batch *b) {
  size_t len;
  const char *sql = luaL_checklstring(L, 2, &len);
  if (sql == b->latest) return b->latest_sql;
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    int rc = add_text(b, sql, len);
    if (rc < 0) lp_raise_code(L, rc, "a batch");
    lua_pushvalue(L, 2);
    lua_pushinteger(L, (lua_Integer)(b->sqls.len / sizeof(size_t)) - 1);
    lua_rawset(L, -4);
    b->latest_sql = (uint32_t)(b->sqls.len / sizeof(size_t)) - 1;
  } else {
    b->latest_sql = (uint32_t)lua_tointeger(L, -1);
  }
  lua_pop(L, 2);
  b->latest = sql;
  return b->latest_sql;
}

static int add(lua_State *L, verb does, const char *method) {
  batch *b = check(L);
  if (b->running) return lp_usage_raise(L, method, "the batch runs");
  if (lpb_sqlite_value_is_named(L, 3))
    return lp_usage_argument(L, 3, method, "values one by one");
  lpb_sqlite_value_check(L, 3, method);
  lpb_sqlite_value_params params = {.data = b->steps};
  step s = {.sql = find_sql(L, b), .verb = (uint16_t)does};
  s.params = (uint16_t)(lua_gettop(L) - 2);
  size_t before = b->steps.len;
  int rc = lp_buf_append(&params.data, &s, sizeof s);
  if (rc == 0) rc = lpb_sqlite_value_write(L, 3, &params);
  b->steps = params.data;
  if (rc < 0) {
    b->steps.len = before;
    return lp_raise_code(L, rc, method);
  }
  lua_pushinteger(L, ++b->count);
  return 1;
}

/* batch:add(sql, ...) -> the number of the statement. */
static int batch_add(lua_State *L) {
  return add(L, EXEC, "batch:add");
}

/* batch:guard(sql, ...) -> its number. Unless it changes a row the batch is rolled back. */
static int batch_guard(lua_State *L) {
  return add(L, GUARD, "batch:guard");
}

/* batch:query(sql, ...) -> its number, by which `run` returns its rows. */
static int batch_query(lua_State *L) {
  return add(L, QUERY, "batch:query");
}

/* Pushes number -> list of rows. */
static void push_results(lua_State *L, const lpb_sqlite_work_call *call, const batch *b) {
  size_t at = 0;
  lua_newtable(L);
  for (size_t i = 0; i < b->results.len; i += sizeof(result)) {
    result r;
    memcpy(&r, b->results.data + i, sizeof r);
    lp_buf names = {.data = call->names.data + r.names, .len = r.names_end - r.names};
    lua_createtable(L, r.rows, 0);
    lpb_sqlite_value_push_names(L, &names);
    for (int k = 1; k <= r.rows; k++) {
      lpb_sqlite_value_push_row(L, &call->rows, &at, lua_gettop(L));
      lua_rawseti(L, -3, k);
    }
    lua_pop(L, 1);
    lua_rawseti(L, -2, r.step);
  }
}

static int push_outcome(lua_State *L, lpb_sqlite_db_call *call) {
  batch *b = call->work.batch;
  push_results(L, &call->work, b);
  int n = (int)(b->failed.len / sizeof n);
  if (n == 0) return 1;
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    int number;
    memcpy(&number, b->failed.data + (size_t)i * sizeof number, sizeof number);
    lua_pushinteger(L, number);
    lua_rawseti(L, -2, i + 1);
  }
  return 2;
}

/* batch:run(relaxed) -> number of a query -> its rows; when guards changed nothing, also the
 * list of their numbers: nothing has happened then. Waits. A batch runs once. `relaxed`: the
 * system may lose the latest such commits when it crashes; the process may not. */
static int batch_run(lua_State *L) {
  batch *b = check(L);
  if (b->running) return lp_usage_raise(L, "batch:run", "the batch runs");
  b->relaxed = lua_toboolean(L, 2);
  lpb_sqlite_db_call *call =
      lpb_sqlite_db_call_new(L, b->db, LPB_SQLITE_WORK_BATCH, "luapool.queue");
  lua_settop(L, 1); /* the stack keeps the batch */
  b->running = true;
  b->holders++;
  call->work.run = work;
  call->work.release = release;
  call->work.batch = b;
  call->push = push_outcome;
  return lpb_sqlite_db_await(L, call, lpb_sqlite_db_set_sql(call, ""));
}

static int batch_gc(lua_State *L) {
  batch **b = lua_touserdata(L, 1);
  if (*b) release(*b);
  *b = NULL;
  return 0;
}

void lpb_sqlite_batch_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"add", batch_add},     {"guard", batch_guard},
                                     {"query", batch_query}, {"run", batch_run},
                                     {"__gc", batch_gc},     {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
