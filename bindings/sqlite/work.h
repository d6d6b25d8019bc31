/* bindings/sqlite/work.h: what luapool.sqlite does in a thread of libuv's pool.
 *
 * A connection is used by one thread at a time: db.c sees to that. A thread never sleeps for a
 * lock of another process: the call comes back as busy, and db.c tries again later. Layer:
 * bindings. Owner of a connection: the lpb_sqlite_db; of a call: its operation. */
#ifndef LPB_SQLITE_WORK_H
#define LPB_SQLITE_WORK_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bindings/sqlite/value.h"
#include "runtime/base/list.h"

/* A prepared statement. It is idle in the cache of its connection, in use by a call, kept by a
 * `Rows` between two batches, or released: then the next thread puts it back. */
typedef struct lpb_sqlite_work_statement {
  lp_list link;
  sqlite3_stmt *stmt;
  char *sql;
  size_t len;
  /* What its parameters are bound to. */
  lpb_sqlite_value_params params;
} lpb_sqlite_work_statement;

typedef struct lpb_sqlite_work {
  sqlite3 *handle;
  /* Idle statements, the latest used first. */
  lp_list idle;
  int idle_count;
  /* Its scripts may not do all: see authorize in work.c. */
  bool guarded;
  /* SQL may name other files. */
  bool attaches;
  /* The SQL of this call was refused. */
  bool denied;
  /* Bytes that SQLite holds for the connection, about, after a call; those that it may hold
   * more during one; and whether it wanted more. */
  size_t weight, room;
  bool full;
  /* Microseconds of CPU that a call may take, 0 for any; the thread's time at its begin; and
   * whether it took more. */
  int64_t budget, begun;
  bool late;
  /* The latest batch was committed without waiting for the disk. */
  bool relaxed;
  /* Nobody waits for the call that runs any more: SQLite gives up at the next look. */
  atomic_bool stop;
} lpb_sqlite_work;

/* The code of a call that has used up its budget of CPU: an extended one of SQLITE_INTERRUPT.
 */
enum { LPB_SQLITE_WORK_LATE = SQLITE_INTERRUPT | 200 << 8 };

/* What a call does: begin, commit and exec run the SQL to its end; first stops at a row; fetch
 * takes rows until a batch is full and goes on where the last one stopped; batch runs many
 * statements in one transaction (batch.h). */
typedef enum {
  LPB_SQLITE_WORK_OPEN,
  LPB_SQLITE_WORK_EXEC,
  LPB_SQLITE_WORK_FIRST,
  LPB_SQLITE_WORK_FETCH,
  LPB_SQLITE_WORK_BEGIN,
  LPB_SQLITE_WORK_COMMIT,
  LPB_SQLITE_WORK_BATCH,
} lpb_sqlite_work_verb;

typedef struct lpb_sqlite_work_call {
  lpb_sqlite_work_verb verb;
  /* The SQL, or the path of an open; both end with a zero byte, which `sql.len` counts. */
  lp_buf sql;
  lpb_sqlite_value_params params;
  /* Of a batch: what runs it, what that works on, and who frees that. */
  void (*run)(lpb_sqlite_work *w, struct lpb_sqlite_work_call *call);
  void (*release)(void *batch);
  void *batch;
  /* Of an open. */
  bool readonly;
  /* It runs inside a transaction of Db:transaction. */
  bool inside;
  /* Of a fetch: the statement that stands at a row; NULL before the first batch and at the end.
   */
  lpb_sqlite_work_statement *statement;
  /* How much of the SQL has been executed. */
  size_t done;

  /* ---- what came of it ---- */

  /* 0, or an extended code of SQLite. SQLITE_MISUSE: the call is wrong. */
  int code;
  char message[256];
  /* Rows as value.h writes them, and how many; the names of their columns, of the first batch.
   */
  lp_buf rows, names;
  int count;
  /* How many rows the SQL has changed, and the key of the latest row inserted. */
  sqlite3_int64 changes, rowid;
} lpb_sqlite_work_call;

/* Returns the statement of this SQL, out of the cache or compiled; NULL after an error, which
 * stands in the call then. `put_back` puts it back. */
lpb_sqlite_work_statement *lpb_sqlite_work_prepare(lpb_sqlite_work *w,
                                                   lpb_sqlite_work_call *call, const char *sql,
                                                   size_t len);
void lpb_sqlite_work_put_back(lpb_sqlite_work *w, lpb_sqlite_work_statement *s);

/* Notes in the call what SQLite says has gone wrong, or this code and text; returns the code.
 */
int lpb_sqlite_work_failed(lpb_sqlite_work *w, lpb_sqlite_work_call *call);
int lpb_sqlite_work_fail(lpb_sqlite_work_call *call, int code, const char *message);

/* Runs a call. */
void lpb_sqlite_work_run(lpb_sqlite_work *w, lpb_sqlite_work_call *call);

/* True when the same call may succeed a little later. */
bool lpb_sqlite_work_is_busy(const lpb_sqlite_work_call *call);

/* Puts released statements back, and rolls back to the savepoint of this depth: 0 the whole
 * transaction, -1 nothing. */
void lpb_sqlite_work_clean(lpb_sqlite_work *w, lp_list *released, int undo);

/* Closes the connection. Statements that a Rows holds live on until they are released. */
void lpb_sqlite_work_close(lpb_sqlite_work *w);

#endif
