/* bindings/sqlite/work.c: SQL in a thread: statements are prepared, or found in the cache,
 * bound, stepped and put back. Touches nothing but its lpb_sqlite_work and the call. Layer:
 * bindings. */
#include "bindings/sqlite/work.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum {
  IDLE = 64,            /* statements that are kept */
  LOOK = 1000,          /* instructions of SQLite's machine between two looks at `stop` */
  LARGEST = 1000000000, /* bytes of a value, which SQLite has as its own limit */
  BATCH_ROWS = 256,     /* rows that a fetch takes at most, */
  BATCH_BYTES = 1 << 16 /* unless they are so large */
};

typedef lpb_sqlite_work_statement statement;

int lpb_sqlite_work_fail(lpb_sqlite_work_call *call, int code, const char *message) {
  call->code = code;
  snprintf(call->message, sizeof call->message, "%s", message);
  return code;
}

/* Notes why SQLite has failed. */
int lpb_sqlite_work_failed(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  bool large = sqlite3_errcode(w->handle) == SQLITE_TOOBIG && w->room < LARGEST;
  if (w->full || large) return lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
  if (w->late) return lpb_sqlite_work_fail(call, LPB_SQLITE_WORK_LATE, "task_us is used up");
  int code = w->denied ? SQLITE_AUTH : sqlite3_extended_errcode(w->handle);
  return lpb_sqlite_work_fail(call, code ? code : SQLITE_ERROR, sqlite3_errmsg(w->handle));
}

/* ---- statements ---- */

static void finalize(statement *s) {
  sqlite3_finalize(s->stmt);
  lp_buf_close(&s->params.data);
  lp_alloc_free(s->sql);
  lp_alloc_free(s);
}

/* Ends a statement, which then waits in the cache for its SQL to come again. One without SQL is
 * not kept. */
void lpb_sqlite_work_put_back(lpb_sqlite_work *w, statement *s) {
  sqlite3_reset(s->stmt);
  sqlite3_clear_bindings(s->stmt);
  lp_buf_close(&s->params.data);
  s->params = (lpb_sqlite_value_params){0};
  if (!s->sql || !w->handle) {
    finalize(s);
    return;
  }
  lp_list_unshift(&w->idle, &s->link);
  if (++w->idle_count <= IDLE) return;
  statement *oldest = lp_list_of(w->idle.prev, statement, link);
  lp_list_remove(&oldest->link);
  w->idle_count--;
  finalize(oldest);
}

static statement *find_idle(lpb_sqlite_work *w, const char *sql, size_t len) {
  lp_list_each (it, &w->idle) {
    statement *s = lp_list_of(it, statement, link);
    if (s->len != len || memcmp(s->sql, sql, len) != 0) continue;
    lp_list_remove(&s->link);
    w->idle_count--;
    return s;
  }
  return NULL;
}

static const char *skip_blank(const char *sql) {
  while (isspace((unsigned char)*sql) || *sql == ';') sql++;
  return sql;
}

/* True when nothing but blanks and comments is left. What cannot be compiled is something. */
static bool is_blank(lpb_sqlite_work *w, const char *sql) {
  sql = skip_blank(sql);
  if (!*sql) return true;
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(w->handle, sql, -1, &stmt, NULL);
  bool something = stmt || rc != SQLITE_OK;
  sqlite3_finalize(stmt);
  return !something;
}

static char *copy_of(const char *sql, size_t len) {
  char *copy = lp_alloc_new(len + 1);
  return copy ? memcpy(copy, sql, len) : NULL;
}

/* The statement with the SQL that finds it in the cache, or NULL: it is not kept there. */
static statement *keep(lpb_sqlite_work_call *call, sqlite3_stmt *stmt, const char *sql,
                       size_t len) {
  statement *s = lp_alloc_new(sizeof *s);
  if (!s) {
    sqlite3_finalize(stmt);
    lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
    return NULL;
  }
  lp_list_init(&s->link);
  s->stmt = stmt;
  s->sql = sql ? copy_of(sql, len) : NULL;
  s->len = len;
  return s;
}

statement *lpb_sqlite_work_prepare(lpb_sqlite_work *w, lpb_sqlite_work_call *call,
                                   const char *sql, size_t len) {
  statement *idle = find_idle(w, sql, len);
  if (idle) return idle;
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v3(w->handle, sql, (int)len, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
  if (rc == SQLITE_OK) return keep(call, stmt, sql, len);
  lpb_sqlite_work_failed(w, call);
  return NULL;
}

/* Compiles the next statement of the SQL. It stays NULL when only blanks were left. */
static int compile(lpb_sqlite_work *w, lpb_sqlite_work_call *call, statement **out) {
  const char *sql = call->sql.data + call->done, *tail = sql;
  size_t len = call->sql.len - 1 - call->done;
  bool whole = call->done == 0;
  *out = whole ? find_idle(w, sql, len) : NULL;
  if (*out) {
    call->done += len;
    return 0;
  }
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v2(w->handle, sql, -1, &stmt, &tail) != SQLITE_OK)
    return lpb_sqlite_work_failed(w, call);
  whole = whole && stmt && is_blank(w, tail);
  bool alone = call->verb == LPB_SQLITE_WORK_EXEC && call->params.count == 0;
  if (stmt && !whole && !alone) {
    sqlite3_finalize(stmt);
    return lpb_sqlite_work_fail(call, SQLITE_MISUSE,
                                "several statements in one SQL, which have no parameters "
                                "and give no rows");
  }
  call->done = whole || !stmt ? call->sql.len - 1 : call->done + (size_t)(tail - sql);
  if (!stmt) return 0;
  *out = keep(call, stmt, whole ? sql : NULL, len);
  return *out ? 0 : SQLITE_NOMEM;
}

/* ---- calls ---- */

/* What the pages of the connection hold, those of databases in memory too: nearly all. */
static size_t weigh(const lpb_sqlite_work *w) {
  int now = 0, most;
  sqlite3_db_status(w->handle, SQLITE_DBSTATUS_CACHE_USED, &now, &most, 0);
  return (size_t)now;
}

static int64_t cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* A call begins: under a ceiling of memory no value may be larger than what is left. */
static void begin(lpb_sqlite_work *w) {
  w->full = w->denied = w->late = false;
  w->begun = w->budget ? cpu_us() : 0;
  if (w->room == SIZE_MAX || !w->handle) return;
  int most = w->room < LARGEST ? (int)w->room : LARGEST;
  sqlite3_limit(w->handle, SQLITE_LIMIT_LENGTH, most > 1000 ? most : 1000);
}

static int look(void *work) {
  lpb_sqlite_work *w = work;
  if (w->room != SIZE_MAX && weigh(w) > w->weight + w->room) w->full = true;
  if (w->budget && cpu_us() - w->begun > w->budget) w->late = true;
  return w->full || w->late || atomic_load_explicit(&w->stop, memory_order_relaxed);
}

/* What SQL can reach beside its database: files (ATTACH, and VACUUM INTO, which attaches),
 * code, and settings of the whole process. */
static bool reaches_out(const lpb_sqlite_work *w, int action, const char *a, const char *b) {
  static const char *const of_process[] = {"temp_store", "temp_store_directory",
                                           "data_store_directory", "hard_heap_limit",
                                           "soft_heap_limit"};
  if (action == SQLITE_ATTACH)
    return !w->attaches && (!a || (*a && strcmp(a, ":memory:") != 0));
  if (action == SQLITE_FUNCTION) return b && sqlite3_stricmp(b, "load_extension") == 0;
  for (size_t i = 0; action == SQLITE_PRAGMA && i < sizeof of_process / sizeof *of_process; i++)
    if (sqlite3_stricmp(a, of_process[i]) == 0) return true;
  return false;
}

/* SQLite calls it while it compiles SQL. */
static int authorize(void *work, int action, const char *a, const char *b, const char *c,
                     const char *d) {
  lpb_sqlite_work *w = work;
  (void)c, (void)d;
  if (!reaches_out(w, action, a, b)) return SQLITE_OK;
  w->denied = true;
  return SQLITE_DENY;
}

/* What it sorts or copies on the way stays in memory: no file that nobody was asked for. */
static void guard(lpb_sqlite_work *w) {
  sqlite3_exec(w->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
  sqlite3_db_config(w->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_set_authorizer(w->handle, authorize, w);
}

/* What is stopped is stopped by this callback and not by sqlite3_interrupt, which would also
 * stop the statements of other tasks that stand at a row. */
static void open_handle(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  int flags =
      call->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(call->sql.data, &w->handle, flags, NULL) != SQLITE_OK) {
    if (w->handle)
      lpb_sqlite_work_failed(w, call);
    else
      lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
    sqlite3_close_v2(w->handle);
    w->handle = NULL;
    return;
  }
  sqlite3_progress_handler(w->handle, LOOK, look, w);
  if (w->guarded) guard(w);
}

/* Steps to the end, or to the first row when one is asked for. */
static int step(lpb_sqlite_work *w, lpb_sqlite_work_call *call, statement *s) {
  int rc = SQLITE_ROW;
  while (rc == SQLITE_ROW && !look(w)) {
    rc = sqlite3_step(s->stmt);
    if (rc == SQLITE_ROW && call->verb == LPB_SQLITE_WORK_FIRST) break;
  }
  if (rc == SQLITE_DONE) return 0;
  if (rc != SQLITE_ROW) return lpb_sqlite_work_failed(w, call);
  if (look(w)) {
    bool why = w->full || w->late;
    return why ? lpb_sqlite_work_failed(w, call)
               : lpb_sqlite_work_fail(call, SQLITE_INTERRUPT, "interrupted");
  }
  if (lpb_sqlite_value_add_names(s->stmt, &call->names) < 0 ||
      lpb_sqlite_value_add_row(s->stmt, &call->rows) < 0)
    return lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
  call->count = 1;
  return 0;
}

static int bind(lpb_sqlite_work *w, lpb_sqlite_work_call *call, statement *s) {
  int rc = lpb_sqlite_value_bind(s->stmt, &call->params, call->message, sizeof call->message);
  if (rc == SQLITE_MISUSE && *call->message) return call->code = rc;
  return rc == SQLITE_OK ? 0 : lpb_sqlite_work_failed(w, call);
}

/* The SQL of a call that is tried again goes on behind what has been executed. */
static void exec(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  int rc = 0;
  while (rc == 0 && call->done < call->sql.len - 1) {
    size_t begun = call->done;
    statement *s;
    rc = compile(w, call, &s);
    if (rc != 0 || !s) break;
    sqlite3_int64 before = sqlite3_total_changes64(w->handle);
    rc = bind(w, call, s);
    if (rc == 0) rc = step(w, call, s);
    if (sqlite3_total_changes64(w->handle) != before)
      call->changes += sqlite3_changes64(w->handle);
    lpb_sqlite_work_put_back(w, s);
    if (rc != 0) call->done = begun;
  }
  call->rowid = sqlite3_last_insert_rowid(w->handle);
}

static int begin_fetch(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  statement *s;
  int rc = compile(w, call, &s);
  if (rc != 0 || !s) return rc;
  /* They are the statement's from here on: it refers to them until its last row. */
  s->params = call->params;
  call->params = (lpb_sqlite_value_params){0};
  rc = lpb_sqlite_value_bind(s->stmt, &s->params, call->message, sizeof call->message);
  if (rc == SQLITE_OK && lpb_sqlite_value_add_names(s->stmt, &call->names) == 0) {
    call->statement = s;
    return 0;
  }
  if (rc == SQLITE_OK) lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
  if (rc == SQLITE_MISUSE && *call->message) call->code = rc;
  if (call->code == 0) lpb_sqlite_work_failed(w, call);
  lpb_sqlite_work_put_back(w, s);
  return call->code;
}

/* Keeps the statement of a fetch that found the database busy: the next try goes on with it. */
static void fetch(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  if (!call->statement && begin_fetch(w, call) != 0) return;
  if (!call->statement) return;
  statement *s = call->statement;
  int rc = SQLITE_ROW;
  while (call->count < BATCH_ROWS && call->rows.len < BATCH_BYTES && !look(w)) {
    rc = sqlite3_step(s->stmt);
    if (rc != SQLITE_ROW) break;
    if (lpb_sqlite_value_add_row(s->stmt, &call->rows) < 0) {
      rc = lpb_sqlite_work_fail(call, SQLITE_NOMEM, "not enough memory");
      break;
    }
    call->count++;
  }
  if (rc == SQLITE_ROW) {
    if ((w->full || w->late) && call->count == 0) lpb_sqlite_work_failed(w, call);
    return;
  }
  if (rc != SQLITE_DONE && call->code == 0) lpb_sqlite_work_failed(w, call);
  if (lpb_sqlite_work_is_busy(call)) {
    sqlite3_reset(s->stmt);
    return;
  }
  call->statement = NULL;
  lpb_sqlite_work_put_back(w, s);
}

bool lpb_sqlite_work_is_busy(const lpb_sqlite_work_call *call) {
  return (call->code & 0xFF) == SQLITE_BUSY && call->code != SQLITE_BUSY_SNAPSHOT &&
         call->count == 0;
}

static void run_sql(lpb_sqlite_work *w, const char *sql) {
  sqlite3_exec(w->handle, sql, NULL, NULL, NULL);
}

/* SQL that begins or ends a transaction by itself would leave the tasks that share the
 * connection in the middle of it. */
static void check_transaction(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  bool open = !sqlite3_get_autocommit(w->handle);
  bool expected = call->verb == LPB_SQLITE_WORK_BEGIN || call->inside;
  if (call->code != 0 || call->verb == LPB_SQLITE_WORK_COMMIT || open == expected) return;
  if (open) run_sql(w, "ROLLBACK");
  lpb_sqlite_work_fail(call, SQLITE_MISUSE,
                       "a transaction begins and ends with Db:transaction, not by SQL");
}

static void run_call(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  if (call->inside && sqlite3_get_autocommit(w->handle)) {
    lpb_sqlite_work_fail(call, SQLITE_ABORT_ROLLBACK,
                         "the transaction has been rolled back after an error");
    return;
  }
  if (call->verb == LPB_SQLITE_WORK_BATCH)
    call->run(w, call);
  else if (call->verb == LPB_SQLITE_WORK_FETCH)
    fetch(w, call);
  else
    exec(w, call);
  check_transaction(w, call);
}

void lpb_sqlite_work_run(lpb_sqlite_work *w, lpb_sqlite_work_call *call) {
  call->code = 0;
  begin(w);
  if (call->verb == LPB_SQLITE_WORK_OPEN)
    open_handle(w, call);
  else
    run_call(w, call);
  w->weight = w->handle && w->room != SIZE_MAX ? weigh(w) : 0;
}

void lpb_sqlite_work_clean(lpb_sqlite_work *w, lp_list *released, int undo) {
  for (lp_list *it; (it = lp_list_shift(released));)
    lpb_sqlite_work_put_back(w, lp_list_of(it, statement, link));
  if (undo < 0 || !w->handle || sqlite3_get_autocommit(w->handle)) return;
  char sql[96] = "ROLLBACK";
  if (undo > 0)
    snprintf(sql, sizeof sql, "ROLLBACK TO luapool_%d; RELEASE luapool_%d", undo, undo);
  run_sql(w, sql);
}

void lpb_sqlite_work_close(lpb_sqlite_work *w) {
  for (lp_list *it; (it = lp_list_shift(&w->idle));) finalize(lp_list_of(it, statement, link));
  w->idle_count = 0;
  sqlite3_close_v2(w->handle);
  w->handle = NULL;
  w->weight = 0;
}
