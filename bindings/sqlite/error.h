/* bindings/sqlite/error.h: errors of SQLite as error objects. Layer: bindings. */
#ifndef LPB_SQLITE_ERROR_H
#define LPB_SQLITE_ERROR_H

#include <lua.h>

#include "bindings/sqlite/work.h"

/* Raises why a call has failed: kind `busy`, `constraint` or `sqlite` with `code` and, unless
 * it was an open, `sql`; kind `usage` for a call that is wrong. */
int lpb_sqlite_error_raise(lua_State *L, const char *function,
                           const lpb_sqlite_work_call *call);

#endif
