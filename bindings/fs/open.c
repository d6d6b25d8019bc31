/* bindings/fs/open.c: luapool.fs.core: files and folders. Each call is an operation of op.c.
 * Layer: bindings. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/bindings.h"
#include "bindings/fs/claim.h"
#include "bindings/fs/lock.h"
#include "bindings/fs/op.h"
#include "bindings/fs/watch.h"
#include "bindings/fs/work.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/object.h"
#include "runtime/loop/usage.h"

/* A path is a string, or a table with one in its field `path`, as fs.tempdir returns. */
static const char *check_path(lua_State *L, int arg, const char *function) {
  if (lua_istable(L, arg) && lua_getfield(L, arg, "path") == LUA_TSTRING) lua_replace(L, arg);
  if (lua_type(L, arg) != LUA_TSTRING) lp_usage_argument(L, arg, function, "a string");
  return lp_usage_string(L, arg, function, NULL);
}

static int begin(lua_State *L, const lpb_fs_op_verb *verb, const char *path, bool whole) {
  lpb_fs_op *f = lpb_fs_op_new(L, verb);
  f->w.whole = whole;
  return lpb_fs_op_await(L, f, lpb_fs_op_set_paths(f, path, NULL));
}

static int on_path(lua_State *L, const lpb_fs_op_verb *verb, bool whole) {
  const char *path = check_path(L, 1, verb->function);
  lp_allow_path(L, verb->allow, path);
  return begin(L, verb, path, whole);
}

/* ---- the functions ---- */

static int push_data(lua_State *L, lpb_fs_op *f) {
  lua_pushlstring(L, f->w.data.data, f->w.data.len);
  return 1;
}

/* Returns all bytes of a file.
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.write(dir .. "/a", "text")
 * print(fs.read(dir .. "/a")) --> text
 * print(select(2, pcall(fs.read, "/no/such/file")).code) --> ENOENT
 * ```
 * @function fs.read
 * @async
 * @param path string|luapool.Tempdir
 * @return string
 * @raises fs */
static int fs_read(lua_State *L) {
  static const lpb_fs_op_verb reads = {"fs.read", "read", LP_ALLOW_READ, lpb_fs_work_read,
                                       push_data};
  return on_path(L, &reads, false);
}

/* ---- a file that is read part by part ---- */

static const char READER[] = "luapool.fs.reader";

static int push_reader(lua_State *L, lpb_fs_op *f) {
  int *fd = lua_touserdata(L, 2);
  *fd = f->w.opened;
  f->w.opened = -1;
  lua_settop(L, 2);
  return 1;
}

/* core.open(path) -> reader. See fs.lines. */
static int fs_open(lua_State *L) {
  static const lpb_fs_op_verb opens = {"fs.lines", "read", LP_ALLOW_READ, lpb_fs_work_open,
                                       push_reader};
  const char *path = check_path(L, 1, opens.function);
  lp_allow_path(L, opens.allow, path);
  lua_settop(L, 1);
  int *fd = lp_object_new(L, sizeof *fd, 0);
  *fd = -1;
  luaL_setmetatable(L, READER);
  lpb_fs_op *f = lpb_fs_op_new(L, &opens);
  return lpb_fs_op_await(L, f, lpb_fs_op_set_paths(f, path, NULL));
}

/* core.part(reader, n, path) -> up to n bytes, "" at the end. The thread has a descriptor of
 * its own, so that the reader may be closed meanwhile. */
static int fs_part(lua_State *L) {
  static const lpb_fs_op_verb reads = {"fs.lines", "read", LP_ALLOW_READ, lpb_fs_work_part,
                                       push_data};
  int *fd = luaL_checkudata(L, 1, READER);
  size_t n = (size_t)luaL_checkinteger(L, 2);
  const char *path = luaL_checkstring(L, 3);
  if (*fd < 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  lpb_fs_op *f = lpb_fs_op_new(L, &reads);
  int rc = lpb_fs_op_set_paths(f, path, NULL);
  f->w.done = n;
  if (rc == 0) f->w.fd = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
  return lpb_fs_op_await(L, f, rc == 0 && f->w.fd < 0 ? -errno : rc);
}

/* core.shut(reader): closes it. Safe twice. */
static int fs_shut(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, READER);
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return 0;
}

static void open_reader(lua_State *L) {
  static const luaL_Reg meta[] = {{"__close", fs_shut}, {"__gc", fs_shut}, {NULL, NULL}};
  luaL_newmetatable(L, READER);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}

/* ---- the others ---- */

static int write_data(lua_State *L, const lpb_fs_op_verb *verb) {
  size_t len;
  const char *path = check_path(L, 1, verb->function),
             *bytes = lp_usage_string(L, 2, verb->function, &len);
  lp_allow_path(L, verb->allow, path);
  lpb_fs_op *f = lpb_fs_op_new(L, verb);
  int rc = lpb_fs_op_set_paths(f, path, NULL);
  if (rc == 0) rc = lp_buf_append(&f->w.data, bytes, len);
  return lpb_fs_op_await(L, f, rc);
}

/* Writes a file; what it held before is gone.
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.write(dir .. "/a", "first")
 * fs.write(dir .. "/a", "new")
 * print(fs.read(dir .. "/a")) --> new
 * ```
 * @function fs.write
 * @async
 * @param path string
 * @param bytes string
 * @raises fs */
static int fs_write(lua_State *L) {
  static const lpb_fs_op_verb writes = {"fs.write", "write", LP_ALLOW_WRITE, lpb_fs_work_write,
                                        NULL};
  return write_data(L, &writes);
}

/* Writes behind what a file holds; makes the file when there is none.
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.append(dir .. "/log", "one ")
 * fs.append(dir .. "/log", "two")
 * print(fs.read(dir .. "/log")) --> one two
 * ```
 * @function fs.append
 * @async
 * @param path string
 * @param bytes string
 * @raises fs */
static int fs_append(lua_State *L) {
  static const lpb_fs_op_verb appends = {"fs.append", "append to", LP_ALLOW_WRITE,
                                         lpb_fs_work_append, NULL};
  return write_data(L, &appends);
}

static int push_names(lua_State *L, lpb_fs_op *f) {
  const char *name = f->w.data.data, *end = name + f->w.data.len;
  lua_newtable(L);
  for (lua_Integer i = 1; name < end; i++, name += strlen(name) + 1) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* Lists the names in a folder, sorted by their bytes, without "." and "..".
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.write(dir .. "/b", "")
 * fs.write(dir .. "/a", "")
 * print(table.concat(fs.list(dir), " ")) --> a b
 * ```
 * @function fs.list
 * @async
 * @param path string|luapool.Tempdir
 * @return string[]
 * @raises fs */
static int fs_list(lua_State *L) {
  static const lpb_fs_op_verb lists = {"fs.list", "list", LP_ALLOW_READ, lpb_fs_work_list,
                                       push_names};
  return on_path(L, &lists, false);
}

static const char *type_name(mode_t mode) {
  static const struct {
    mode_t type;
    const char *name;
  } rows[] = {{S_IFREG, "file"},       {S_IFDIR, "directory"},   {S_IFSOCK, "socket"},
              {S_IFIFO, "named pipe"}, {S_IFCHR, "char device"}, {S_IFBLK, "block device"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if ((mode & S_IFMT) == rows[i].type) return rows[i].name;
  return "other";
}

static int push_stat(lua_State *L, lpb_fs_op *f) {
  const struct stat *s = &f->w.stat;
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, s->st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, (double)s->st_mtim.tv_sec + (double)s->st_mtim.tv_nsec / 1e9);
  lua_setfield(L, -2, "mtime");
  lua_pushstring(L, type_name(s->st_mode));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, s->st_mode & 07777);
  lua_setfield(L, -2, "mode");
  return 1;
}

/* What `fs.stat` tells.
 * @class luapool.fs.Stat
 * @within fs
 * @field size integer bytes
 * @field mtime number when it was written, in seconds since 1970
 * @field type string "file", "directory", "socket", "named pipe", "char device", "block
 * device", "other"
 * @field mode integer permission bits */

/* Tells about a file or folder. Links are followed.
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.write(dir .. "/a", "12345")
 * local stat = fs.stat(dir .. "/a")
 * print(stat.size, stat.type) --> 5 file
 * ```
 * @function fs.stat
 * @async
 * @param path string|luapool.Tempdir
 * @return luapool.fs.Stat
 * @raises fs */
static int fs_stat(lua_State *L) {
  static const lpb_fs_op_verb stats = {"fs.stat", "stat", LP_ALLOW_READ, lpb_fs_work_stat,
                                       push_stat};
  return on_path(L, &stats, false);
}

/* core.mkdir(path, parents). See fs.lua. */
static int fs_mkdir(lua_State *L) {
  static const lpb_fs_op_verb makes = {"fs.mkdir", "make the folder", LP_ALLOW_WRITE,
                                       lpb_fs_work_mkdir, NULL};
  return on_path(L, &makes, lua_toboolean(L, 2));
}

/* core.remove(path, recursive). See fs.lua. */
static int fs_remove(lua_State *L) {
  static const lpb_fs_op_verb removes = {"fs.remove", "remove", LP_ALLOW_WRITE,
                                         lpb_fs_work_remove, NULL};
  const char *path = check_path(L, 1, removes.function);
  lp_allow_entry(L, removes.allow, path);
  return begin(L, &removes, path, lua_toboolean(L, 2));
}

/* Renames a file or folder, in one step in place of what had the new name.
 *
 * ```lua
 * local dir <close> = fs.tempdir()
 * fs.write(dir .. "/a", "text")
 * fs.rename(dir .. "/a", dir .. "/b")
 * print(fs.list(dir)[1]) --> b
 * ```
 * @function fs.rename
 * @async
 * @param from string
 * @param to string
 * @raises fs */
static int fs_rename(lua_State *L) {
  static const lpb_fs_op_verb renames = {"fs.rename", "rename", LP_ALLOW_WRITE,
                                         lpb_fs_work_rename, NULL};
  const char *from = check_path(L, 1, renames.function),
             *to = check_path(L, 2, renames.function);
  lp_allow_entry(L, renames.allow, from);
  lp_allow_entry(L, renames.allow, to);
  lpb_fs_op *f = lpb_fs_op_new(L, &renames);
  return lpb_fs_op_await(L, f, lpb_fs_op_set_paths(f, from, to));
}

static int push_path(lua_State *L, lpb_fs_op *f) {
  lua_pushstring(L, f->w.path);
  f->w.made = false;
  return 1;
}

/* core.tempdir(template) -> path of a new folder that only this user can enter. */
static int fs_tempdir(lua_State *L) {
  static const lpb_fs_op_verb makes = {"fs.tempdir", "make the folder", LP_ALLOW_WRITE,
                                       lpb_fs_work_tempdir, push_path};
  return on_path(L, &makes, false);
}

/* core.sync(path). Waits until what the file holds is on the disk, and its name in the folder.
 */
static int fs_sync(lua_State *L) {
  static const lpb_fs_op_verb syncs = {"fs.sync", "write", LP_ALLOW_WRITE, lpb_fs_work_sync,
                                       NULL};
  return on_path(L, &syncs, false);
}

int luaopen_luapool_fs_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"read", fs_read},     {"write", fs_write},   {"append", fs_append},
      {"list", fs_list},     {"stat", fs_stat},     {"mkdir", fs_mkdir},
      {"remove", fs_remove}, {"rename", fs_rename}, {"tempdir", fs_tempdir},
      {"open", fs_open},     {"part", fs_part},     {"shut", fs_shut},
      {"sync", fs_sync},     {NULL, NULL}};
  open_reader(L);
  lpb_fs_watch_open(L);
  lpb_fs_lock_open(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_fs_claim_functions, 0);
  luaL_setfuncs(L, lpb_fs_watch_functions, 0);
  luaL_setfuncs(L, lpb_fs_lock_functions, 0);
  return 1;
}
