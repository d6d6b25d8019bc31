/* bindings/log/open.c: luapool.log.core: files that log lines are written to. Nothing waits for
 * the loop: a line is in the kernel when the call returns. Layer: bindings; any process. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/bindings.h"
#include "bindings/class.h"
#include "bindings/log/file.h"
#include "bindings/log/tidy.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/object.h"

static const char SINK[] = "luapool.log.file";

typedef struct sink {
  lpb_log_file file;
  lpb_log_tidy tidy;
  /* It looks after the rotated files also when it is opened and closed. */
  bool keeper;
  bool open;
} sink;

static int fail(lua_State *L, int rc) {
  lua_pushnil(L);
  lua_pushstring(L, rc == -EINVAL ? "it is no regular file" : strerror(-rc));
  lua_pushstring(L, uv_err_name(rc));
  return 3;
}

static sink *check(lua_State *L) {
  sink *s = lpb_class_check(L, SINK);
  luaL_argcheck(L, s->open, 1, "closed");
  return s;
}

/* sink:close(). Waits for what compresses, as lpb_log_tidy_close says. Safe twice. */
static int sink_close(lua_State *L) {
  sink *s = luaL_checkudata(L, 1, SINK);
  if (!s->open) return 0;
  s->open = false;
  lpb_log_file_close(&s->file);
  if (s->keeper) lpb_log_tidy_start(&s->tidy, s->file.real);
  lpb_log_tidy_close(&s->tidy);
  return 0;
}

/* core.open(path, limit, daily, keep, compress, keeper) -> sink; nil, a message and the name of
 * the code where the file cannot be opened. It is made where there is none. 0 stands for no
 * `limit`, and for a `keep` of all. */
static int log_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer limit = luaL_checkinteger(L, 2);
  bool daily = lua_toboolean(L, 3);
  lp_allow_path(L, LP_ALLOW_WRITE, path);
  if (limit > 0 || daily) lp_allow_entry(L, LP_ALLOW_WRITE, path);
  sink *s = lp_object_new(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  luaL_setmetatable(L, SINK);
  s->file.limit = limit;
  s->file.daily = daily;
  s->tidy.keep = (int)luaL_checkinteger(L, 4);
  s->tidy.compress = lua_toboolean(L, 5);
  int rc = lpb_log_file_open(&s->file, path);
  if (rc < 0) return fail(L, rc);
  lpb_log_tidy_init(&s->tidy);
  s->open = true;
  s->keeper = lua_toboolean(L, 6);
  if (s->keeper) lpb_log_tidy_start(&s->tidy, s->file.real);
  return 1;
}

/* sink:write(line) -> true, and why it cannot be rotated where it should be; nil, a message and
 * the name of the code where the line is not written. */
static int sink_write(lua_State *L) {
  sink *s = check(L);
  size_t len;
  const char *line = luaL_checklstring(L, 2, &len);
  int rc = lpb_log_file_write(&s->file, line, len);
  if (s->file.rotated) lpb_log_tidy_start(&s->tidy, s->file.real);
  if (rc < 0) return fail(L, rc);
  lua_pushboolean(L, true);
  if (s->file.stuck == 0) return 1;
  lua_pushstring(L, strerror(-s->file.stuck));
  return 2;
}

/* sink:path() -> its absolute path. */
static int sink_path(lua_State *L) {
  lua_pushstring(L, check(L)->file.path);
  return 1;
}

/* core.journal(stream) -> is stderr this stream, "DEVICE:INODE"? journald tells so of its own.
 */
static int log_journal(lua_State *L) {
  const char *stream = luaL_optstring(L, 1, "");
  unsigned long long device, inode;
  struct stat st;
  bool told = sscanf(stream, "%llu:%llu", &device, &inode) == 2;
  lua_pushboolean(L, told && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
                         st.st_ino == inode);
  return 1;
}

int luaopen_luapool_log_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", log_open}, {"journal", log_journal}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"write", sink_write},
                                     {"path", sink_path},
                                     {"close", sink_close},
                                     {"__gc", sink_close},
                                     {NULL, NULL}};
  lpb_class_new(L, SINK, methods);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
