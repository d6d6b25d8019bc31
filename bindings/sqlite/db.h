/* bindings/sqlite/db.h: a connection and the tasks that share it.
 *
 * Calls run one at a time, each in a thread of libuv's pool, in the order in which they were
 * made. A transaction belongs to the task that has begun it: while it is open, the calls of
 * other tasks wait. What is left to do when nobody waits (a rollback, statements to put back,
 * closing) runs between two calls. Layer: bindings. Owner: the object in Lua and each call;
 * memory goes back with the last of them. */
#ifndef LPB_SQLITE_DB_H
#define LPB_SQLITE_DB_H

#include "bindings/sqlite/work.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"

typedef struct lpb_sqlite_db_call lpb_sqlite_db_call;

typedef struct lpb_sqlite_db {
  lp_state *st;
  uv_loop_t *loop;
  /* A thread's while `working`. */
  lpb_sqlite_work work;
  uv_work_t job;
  /* work.weight before that job. */
  size_t weight;
  /* Calls that have not begun. */
  lp_list queue;
  /* The call that a thread runs, or that pauses because the database is busy. NULL while the
   * thread does what nobody waits for. */
  lpb_sqlite_db_call *current;
  /* The task whose transaction is open, and how many of them, one in another. */
  lp_task *owner;
  int depth;
  /* The depth that must be rolled back to, or -1; statements to put back. */
  int undo;
  lp_list released;
  /* The same for a thread that cleans up. */
  int undoing;
  lp_list cleaning;
  /* Tasks that wait until it is closed. */
  lp_list closers;
  /* How many seconds a call tries to get a database that others have locked. */
  double timeout;
  bool readonly, working;
  /* It takes no more calls, except of the transaction that is open. */
  bool closing;
  bool closed;
  /* The objects, calls, and the thread. */
  int holders;
} lpb_sqlite_db;

/* The object of a transaction. */
typedef struct lpb_sqlite_db_transaction {
  lpb_sqlite_db *db;
  /* 1 for one that is in no other; 0 before it has begun and once it has ended. */
  int depth;
} lpb_sqlite_db_transaction;

/* A call as an operation of its task. */
struct lpb_sqlite_db_call {
  lp_op op;
  /* In `queue` or `closers` of the connection, or in no list. */
  lp_list link;
  lpb_sqlite_db *db;
  lpb_sqlite_work_call work;
  /* What pushes the results. NULL: none. */
  int (*push)(lua_State *L, lpb_sqlite_db_call *call);
  /* The public name, for errors. */
  const char *function;
  /* The object that the call is of: a Rows, or the lpb_sqlite_db_transaction of a begin or
   * commit. The stack of the task keeps it while the task waits. */
  void *object;
  /* The pause before the next try, how many there were, and when trying ends. */
  lp_timer pause;
  int tries;
  double end;
};

/* Makes a connection that is not open yet, with one holder; NULL for want of memory. */
lpb_sqlite_db *lpb_sqlite_db_new(lp_state *st, bool readonly, double timeout);

/* The object is gone: what is open is closed in a thread, and nobody waits for it. */
void lpb_sqlite_db_drop(lpb_sqlite_db *db);

/* Adds a holder; takes one away. */
void lpb_sqlite_db_hold(lpb_sqlite_db *db);
void lpb_sqlite_db_release(lpb_sqlite_db *db);

/* Makes a call of the current task; its SQL and parameters are to be filled in. May raise. */
lpb_sqlite_db_call *lpb_sqlite_db_call_new(lua_State *L, lpb_sqlite_db *db,
                                           lpb_sqlite_work_verb verb, const char *function);

/* Puts the call into the queue, unless `rc` says that it could not be filled in, and waits. */
int lpb_sqlite_db_await(lua_State *L, lpb_sqlite_db_call *call, int rc);

/* Sets the SQL. Returns 0 or LP_EMEMORY. */
int lpb_sqlite_db_set_sql(lpb_sqlite_db_call *call, const char *sql);

/* Waits until all calls have ended and the connection is closed. */
int lpb_sqlite_db_close(lua_State *L, lpb_sqlite_db *db, const char *function);

/* Puts back the statement of a Rows, in a thread. */
void lpb_sqlite_db_put_back(lpb_sqlite_db *db, lpb_sqlite_work_statement *statement);

/* Rolls the transaction back, when it is still open. Nobody waits for that but the calls made
 * from now on. */
void lpb_sqlite_db_undo(lpb_sqlite_db_transaction *transaction);

#endif
