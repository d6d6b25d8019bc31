/* bindings/sqlite/error.c: errors of SQLite as error objects. Layer: bindings. */
#include "bindings/sqlite/error.h"

#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

/* The names of the codes. An extended one that does not stand here is told by its first. */
#define NAMES(X)                                                                               \
  X(ERROR)                                                                                     \
  X(INTERNAL)                                                                                  \
  X(PERM)                                                                                      \
  X(ABORT)                                                                                     \
  X(BUSY)                                                                                      \
  X(LOCKED)                                                                                    \
  X(NOMEM)                                                                                     \
  X(READONLY)                                                                                  \
  X(INTERRUPT)                                                                                 \
  X(IOERR)                                                                                     \
  X(CORRUPT)                                                                                   \
  X(FULL)                                                                                      \
  X(CANTOPEN)                                                                                  \
  X(PROTOCOL)                                                                                  \
  X(SCHEMA)                                                                                    \
  X(TOOBIG)                                                                                    \
  X(CONSTRAINT)                                                                                \
  X(MISMATCH)                                                                                  \
  X(MISUSE)                                                                                    \
  X(AUTH)                                                                                      \
  X(RANGE)                                                                                     \
  X(NOTADB)                                                                                    \
  X(ABORT_ROLLBACK)                                                                            \
  X(BUSY_RECOVERY)                                                                             \
  X(BUSY_SNAPSHOT)                                                                             \
  X(CANTOPEN_ISDIR)                                                                            \
  X(CONSTRAINT_CHECK)                                                                          \
  X(CONSTRAINT_DATATYPE)                                                                       \
  X(CONSTRAINT_FOREIGNKEY)                                                                     \
  X(CONSTRAINT_NOTNULL)                                                                        \
  X(CONSTRAINT_PRIMARYKEY)                                                                     \
  X(CONSTRAINT_ROWID)                                                                          \
  X(CONSTRAINT_TRIGGER)                                                                        \
  X(CONSTRAINT_UNIQUE)                                                                         \
  X(READONLY_DBMOVED)                                                                          \
  X(READONLY_DIRECTORY)

static const char *name_of(int code) {
  static const struct {
    int code;
    const char *name;
  } rows[] = {
#define ROW(name) {SQLITE_##name, "SQLITE_" #name},
      NAMES(ROW)
#undef ROW
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].code == code) return rows[i].name;
  return code > 0xFF ? name_of(code & 0xFF) : "SQLITE_ERROR";
}

static const char *kind_of(int code) {
  if (code == LPB_SQLITE_WORK_LATE) return "budget";
  switch (code & 0xFF) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return "busy";
  case SQLITE_CONSTRAINT: return "constraint";
  case SQLITE_NOMEM: return "memory";
  case SQLITE_AUTH: return "denied";
  default: return "sqlite";
  }
}

int lpb_sqlite_error_raise(lua_State *L, const char *function,
                           const lpb_sqlite_work_call *call) {
  bool opens = call->verb == LPB_SQLITE_WORK_OPEN;
  if (call->code == SQLITE_MISUSE) return lp_usage_raise(L, function, "%s", call->message);
  if (opens)
    lp_raise_push(L, kind_of(call->code), "%s: '%s': %s", function, call->sql.data,
                  call->message);
  else
    lp_raise_push(L, kind_of(call->code), "%s: %s", function, call->message);
  lua_pushstring(L, name_of(call->code));
  lua_setfield(L, -2, "code");
  lua_pushstring(L, call->sql.data);
  lua_setfield(L, -2, opens ? "path" : "sql");
  return lua_error(L);
}
