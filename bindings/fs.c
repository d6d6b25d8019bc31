/* bindings/fs.c: luapool.fs.core: files and folders. Each call is one job of libuv's thread
 * pool that works on copies, so a cancelled task goes on at once and the job, when it ends,
 * only gives its memory back. What had begun is done to the end, except that nobody's thread
 * stays behind waiting for the other end of a pipe. Layer: bindings. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lauxlib.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/bindings.h"
#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

typedef struct fs_op fs_op;

typedef struct fs_verb {
  const char *name;                    /* in messages: "cannot read" */
  int (*work)(fs_op *f);               /* in a thread; 0 or a negative code */
  int (*push)(lua_State *L, fs_op *f); /* the results; NULL: none */
} fs_verb;

struct fs_op {
  lp_op op;
  uv_work_t work;
  const fs_verb *verb;
  char *path, *other; /* `other` is where a rename goes, in the same allocation */
  lp_buf data; /* what is written, or was read; the names of a list, each with its zero */
  struct stat stat;
  bool whole;           /* mkdir: with its parents; remove: with what is in it */
  atomic_bool given_up; /* read by the thread */
  int rc;
};

enum {
  CHUNK = 64 << 10, /* bytes that a read asks for when the file does not say its size */
  PATIENCE = 50,    /* milliseconds until a thread that waits looks whether anybody cares */
};

/* ---- in a thread ---- */

/* Opens without blocking; a pipe is written to once somebody reads it. When it is removed
 * before that, no file is made in its place. */
static int open_file(fs_op *f, int flags) {
  for (;;) {
    int fd = open(f->path, flags | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno != ENXIO || stat(f->path, &f->stat) < 0) return -errno;
    if (!S_ISFIFO(f->stat.st_mode)) return -ENXIO;
    poll(NULL, 0, PATIENCE);
    if (f->given_up) return -ECANCELED;
    flags &= ~O_CREAT;
  }
}

/* Waits until what is no plain file has something, or has room. */
static int wait_ready(const fs_op *f, int fd, short events) {
  struct pollfd ready = {.fd = fd, .events = events};
  while (poll(&ready, 1, PATIENCE) <= 0)
    if (f->given_up) return -ECANCELED;
  return 0;
}

static int read_all(fs_op *f, int fd) {
  lp_buf *data = &f->data;
  bool plain = S_ISREG(f->stat.st_mode);
  if (lp_buf_reserve(data, (size_t)f->stat.st_size + 1) < 0) return LP_EMEMORY;
  for (;;) {
    int rc = plain ? 0 : wait_ready(f, fd, POLLIN);
    if (rc < 0) return rc;
    if (data->len == data->cap && lp_buf_reserve(data, CHUNK) < 0) return LP_EMEMORY;
    ssize_t n = read(fd, data->data + data->len, data->cap - data->len);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n > 0) data->len += (size_t)n;
  }
}

static int work_read(fs_op *f) {
  int fd = open_file(f, O_RDONLY);
  if (fd < 0) return fd;
  int rc = fstat(fd, &f->stat) < 0 ? -errno : 0;
  if (rc == 0) rc = read_all(f, fd);
  close(fd);
  return rc;
}

static int write_all(fs_op *f, int flag) {
  int fd = open_file(f, O_WRONLY | O_CREAT | flag), rc = 0;
  if (fd < 0) return fd;
  for (size_t done = 0; done < f->data.len && rc == 0;) {
    ssize_t n = write(fd, f->data.data + done, f->data.len - done);
    if (n >= 0)
      done += (size_t)n;
    else if (errno == EAGAIN)
      rc = wait_ready(f, fd, POLLOUT);
    else if (errno != EINTR)
      rc = -errno;
  }
  if (close(fd) < 0 && rc == 0) rc = -errno;
  return rc;
}

static int work_write(fs_op *f) {
  return write_all(f, O_TRUNC);
}

static int work_append(fs_op *f) {
  return write_all(f, O_APPEND);
}

static int is_name(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int work_list(fs_op *f) {
  struct dirent **entries;
  int n = scandir(f->path, &entries, is_name, by_bytes), rc = n < 0 ? -errno : 0;
  for (int i = 0; i < n; i++) {
    if (rc == 0)
      rc = lp_buf_append(&f->data, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return rc;
}

static int work_stat(fs_op *f) {
  return stat(f->path, &f->stat) < 0 ? -errno : 0;
}

static int make_folder(fs_op *f) {
  if (mkdir(f->path, 0777) == 0) return 0;
  int rc = -errno;
  bool there = f->whole && rc == -EEXIST && stat(f->path, &f->stat) == 0;
  return there && S_ISDIR(f->stat.st_mode) ? 0 : rc;
}

static int work_mkdir(fs_op *f) {
  char *slash = f->whole && *f->path ? strchr(f->path + 1, '/') : NULL;
  for (; slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int rc = make_folder(f);
    *slash = '/';
    if (rc < 0 && rc != -EEXIST) return rc;
  }
  return make_folder(f);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st, (void)flag, (void)ftw;
  return remove(path) < 0 ? -errno : 0;
}

static int work_remove(fs_op *f) {
  enum { FOLDERS = 16 }; /* open at once */
  if (!f->whole) return remove(f->path) < 0 ? -errno : 0;
  int rc = nftw(f->path, remove_one, FOLDERS, FTW_DEPTH | FTW_PHYS);
  return rc == -1 ? -errno : rc;
}

static int work_rename(fs_op *f) {
  return rename(f->path, f->other) < 0 ? -errno : 0;
}

static int work_tempdir(fs_op *f) {
  return mkdtemp(f->path) ? 0 : -errno;
}

/* ---- waiting ---- */

static void run(uv_work_t *work) {
  fs_op *f = lp_list_of(work, fs_op, work);
  f->rc = f->verb->work(f);
}

static void ran(uv_work_t *work, int status) {
  fs_op *f = lp_list_of(work, fs_op, work);
  lp_op_finish(&f->op, status < 0 ? status : f->rc);
  lp_op_release(&f->op);
}

static void fs_cancel(lp_op *op, int why) {
  ((fs_op *)op)->given_up = true;
  uv_cancel((uv_req_t *)&((fs_op *)op)->work); /* when no thread has begun it, none will */
  lp_op_finish(op, why);
}

static void fs_close(lp_op *op) {
  fs_op *f = (fs_op *)op;
  lp_alloc_free(f->path);
  lp_buf_close(&f->data);
}

static int raise_failed(lua_State *L, fs_op *f) {
  int code = f->op.status;
  if (f->other)
    lp_raise_push(L, "fs", "cannot %s '%s' to '%s': %s", f->verb->name, f->path, f->other,
                  strerror(-code));
  else
    lp_raise_push(L, "fs", "cannot %s '%s': %s", f->verb->name, f->path, strerror(-code));
  lua_pushstring(L, f->path);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, uv_err_name(code));
  lua_setfield(L, -2, "code");
  return lua_error(L);
}

static int fs_results(lua_State *L, lp_op *op) {
  fs_op *f = (fs_op *)op;
  if (op->status <= LP_ECANCELLED) return lp_op_raise(L, op); /* a code of ours, no errno */
  if (op->status < 0) return raise_failed(L, f);
  return f->verb->push ? f->verb->push(L, f) : 0;
}

static const lp_op_class fs_class = {
    .name = "fs", .cancel = fs_cancel, .results = fs_results, .close = fs_close};

static int start(lua_State *L, fs_op *f, int rc) {
  if (rc == 0) rc = uv_queue_work(f->op.st->loop, &f->work, run, ran);
  if (rc == 0)
    lp_op_hold(&f->op);
  else
    lp_op_finish(&f->op, rc);
  return lp_op_await(L, &f->op, -1);
}

/* A path is a string, or a table with one in its field `path`, as fs.tempdir returns. */
static const char *check_path(lua_State *L, int arg) {
  size_t len;
  if (lua_istable(L, arg) && lua_getfield(L, arg, "path") == LUA_TSTRING) lua_replace(L, arg);
  const char *path = luaL_checklstring(L, arg, &len);
  luaL_argcheck(L, strlen(path) == len, arg, "a path cannot hold a zero byte");
  return path;
}

static fs_op *make(lua_State *L, const fs_verb *verb) {
  fs_op *f = lp_op_new(L, &fs_class, sizeof *f);
  f->verb = verb;
  return f;
}

/* Copies the paths; `to` may be NULL. */
static int copy_paths(fs_op *f, const char *path, const char *to) {
  size_t len = strlen(path) + 1, more = to ? strlen(to) + 1 : 0;
  f->path = lp_alloc_new(len + more);
  if (!f->path) return LP_EMEMORY;
  memcpy(f->path, path, len);
  if (!to) return 0;
  f->other = memcpy(f->path + len, to, more);
  return 0;
}

static int on_path(lua_State *L, const fs_verb *verb, bool whole) {
  const char *path = check_path(L, 1);
  fs_op *f = make(L, verb);
  f->whole = whole;
  return start(L, f, copy_paths(f, path, NULL));
}

/* ---- the functions ---- */

static int push_data(lua_State *L, fs_op *f) {
  lua_pushlstring(L, f->data.data, f->data.len);
  return 1;
}

/* fs.read(path) -> all bytes of a file. */
static int fs_read(lua_State *L) {
  static const fs_verb reads = {"read", work_read, push_data};
  return on_path(L, &reads, false);
}

static int write_data(lua_State *L, const fs_verb *verb) {
  size_t len;
  const char *path = check_path(L, 1), *bytes = luaL_checklstring(L, 2, &len);
  fs_op *f = make(L, verb);
  int rc = copy_paths(f, path, NULL);
  if (rc == 0) rc = lp_buf_append(&f->data, bytes, len);
  return start(L, f, rc);
}

/* fs.write(path, bytes). Begins the file anew. */
static int fs_write(lua_State *L) {
  static const fs_verb writes = {"write", work_write, NULL};
  return write_data(L, &writes);
}

/* fs.append(path, bytes). Writes behind what the file holds; makes it when there is none. */
static int fs_append(lua_State *L) {
  static const fs_verb appends = {"append to", work_append, NULL};
  return write_data(L, &appends);
}

static int push_names(lua_State *L, fs_op *f) {
  const char *name = f->data.data, *end = name + f->data.len;
  lua_newtable(L);
  for (lua_Integer i = 1; name < end; i++, name += strlen(name) + 1) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* fs.list(path) -> the names in a folder, sorted by their bytes, without "." and "..". */
static int fs_list(lua_State *L) {
  static const fs_verb lists = {"list", work_list, push_names};
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

static int push_stat(lua_State *L, fs_op *f) {
  const struct stat *s = &f->stat;
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

/* fs.stat(path) -> {size, mtime, type, mode}: bytes, seconds since 1970 with their fraction,
 * "file", "directory" ... as LuaFileSystem calls them, permission bits. Follows links. */
static int fs_stat(lua_State *L) {
  static const fs_verb stats = {"stat", work_stat, push_stat};
  return on_path(L, &stats, false);
}

/* core.mkdir(path, parents). See fs.lua. */
static int fs_mkdir(lua_State *L) {
  static const fs_verb makes = {"make the folder", work_mkdir, NULL};
  return on_path(L, &makes, lua_toboolean(L, 2));
}

/* core.remove(path, recursive). See fs.lua. */
static int fs_remove(lua_State *L) {
  static const fs_verb removes = {"remove", work_remove, NULL};
  return on_path(L, &removes, lua_toboolean(L, 2));
}

/* fs.rename(from, to). In place of what `to` was, in one step. */
static int fs_rename(lua_State *L) {
  static const fs_verb renames = {"rename", work_rename, NULL};
  const char *from = check_path(L, 1), *to = check_path(L, 2);
  fs_op *f = make(L, &renames);
  return start(L, f, copy_paths(f, from, to));
}

static int push_path(lua_State *L, fs_op *f) {
  lua_pushstring(L, f->path);
  return 1;
}

/* core.tempdir(template) -> path of a new folder that only this user can enter. */
static int fs_tempdir(lua_State *L) {
  static const fs_verb makes = {"make the folder", work_tempdir, push_path};
  return on_path(L, &makes, false);
}

int luaopen_luapool_fs_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", fs_read},       {"write", fs_write},
                                       {"append", fs_append},   {"list", fs_list},
                                       {"stat", fs_stat},       {"mkdir", fs_mkdir},
                                       {"remove", fs_remove},   {"rename", fs_rename},
                                       {"tempdir", fs_tempdir}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
