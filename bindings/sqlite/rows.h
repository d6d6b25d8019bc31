/* bindings/sqlite/rows.h: the rows of a query, fetched in batches. Layer: bindings. */
#ifndef LPB_SQLITE_ROWS_H
#define LPB_SQLITE_ROWS_H

#include <lua.h>

#include "bindings/sqlite/db.h"

/* Stack: the object of `db`, the SQL, parameters that have been checked. Pushes a Rows. */
void lpb_sqlite_rows_push(lua_State *L, lpb_sqlite_db *db);

/* Makes the class. */
void lpb_sqlite_rows_open(lua_State *L);

#endif
