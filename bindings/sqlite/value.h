/* bindings/sqlite/value.h: values on their way between Lua and a statement, as bytes.
 *
 * The loop writes the parameters of a call from Lua, and a thread binds them; the thread writes
 * rows from a statement, and the loop pushes them. So no thread touches Lua, and the loop
 * touches no statement. Layer: bindings. */
#ifndef LPB_SQLITE_VALUE_H
#define LPB_SQLITE_VALUE_H

#include <lua.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/buf.h"

/* The parameters of a call. A zeroed one has none. */
typedef struct lpb_sqlite_value_params {
  lp_buf data;
  /* How many values stand there: by their place, or by their name when `named`. */
  int count;
  bool named;
} lpb_sqlite_value_params;

/* Registry key: its address stands for the metatable of sqlite.blob. */
extern const char lpb_sqlite_value_blob;

/* ---- with Lua, in the loop ---- */

/* Whether the argument `first`, the last one, is a table of parameters with names. */
bool lpb_sqlite_value_is_named(lua_State *L, int first);

/* Checks the arguments from `first` on; raises for what no column can hold. */
void lpb_sqlite_value_check(lua_State *L, int first, const char *function);

/* Writes the arguments, which have been checked. Returns 0 or LP_EMEMORY; never raises. */
int lpb_sqlite_value_write(lua_State *L, int first, lpb_sqlite_value_params *params);

/* Pushes a list of the names of columns, out of texts that each end with a zero byte. */
void lpb_sqlite_value_push_names(lua_State *L, const lp_buf *names);

/* Pushes the row that begins at byte `*at` as a table whose keys are the `names` at that index
 * of the stack, and moves `*at` behind it. */
void lpb_sqlite_value_push_row(lua_State *L, const lp_buf *rows, size_t *at, int names);

/* ---- with statements, in a thread ---- */

/* Binds the parameters, which must stay where they are. Returns a code of SQLite; SQLITE_MISUSE
 * with the reason in `why` when they do not fit the statement. */
int lpb_sqlite_value_bind(sqlite3_stmt *stmt, const lpb_sqlite_value_params *params, char *why,
                          size_t size);

/* The same for the `count` values of a call that begin at byte `*at`, by their place; moves
 * `*at` behind them. */
int lpb_sqlite_value_bind_from(sqlite3_stmt *stmt, const lp_buf *data, size_t *at, int count,
                               char *why, size_t size);

/* Moves `*at` behind `count` values. */
void lpb_sqlite_value_skip(const lp_buf *data, size_t *at, int count);

/* Appends the names of the columns. Returns 0 or LP_EMEMORY. */
int lpb_sqlite_value_add_names(sqlite3_stmt *stmt, lp_buf *names);

/* Appends the row that the statement stands at. Returns 0 or LP_EMEMORY. */
int lpb_sqlite_value_add_row(sqlite3_stmt *stmt, lp_buf *rows);

#endif
