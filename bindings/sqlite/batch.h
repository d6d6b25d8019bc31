/* bindings/sqlite/batch.h: many statements in one transaction and one trip to a thread, for
 * internal modules whose calls would cost more for their trips than for their work. Layer:
 * bindings. */
#ifndef LPB_SQLITE_BATCH_H
#define LPB_SQLITE_BATCH_H

#include <lua.h>

#include "bindings/sqlite/db.h"

/* Stack: the object of `db`. Pushes a batch, which is empty. */
void lpb_sqlite_batch_push(lua_State *L, lpb_sqlite_db *db);

/* Makes the class. */
void lpb_sqlite_batch_open(lua_State *L);

#endif
