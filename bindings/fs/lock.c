/* bindings/fs/lock.c: locks of files, for luapool.lock. A lock is one opened file with the lock
 * of flock(2) on it, which the kernel lets go of when the file is closed, by whatever death of
 * the process. None of the functions waits. Layer: bindings. */
#include "bindings/fs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/class.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/object.h"

static const char CLASS[] = "luapool.fs.FileLock";

/* Bytes that are read of the file at most. */
enum { RECORD = 256 };

typedef struct file_lock {
  int fd; /* -1: closed */
  bool shared;
} file_lock;

static file_lock *check(lua_State *L) {
  file_lock *lock = lpb_class_check(L, CLASS);
  luaL_argcheck(L, lock->fd >= 0, 1, "closed");
  return lock;
}

static int fail(lua_State *L, int code) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(code));
  lua_pushstring(L, uv_err_name(-code));
  return 3;
}

/* A shared lock needs no right to write. It is made where it may be, so that who comes later
 * finds the same file; not when it has to be there. */
static int open_file(const char *path, bool shared, bool existing) {
  int common = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  int fd = open(path, O_RDWR | (existing ? 0 : O_CREAT) | common, 0666);
  bool may_not = errno == EACCES || errno == EROFS || errno == EPERM;
  return fd < 0 && shared && may_not ? open(path, O_RDONLY | common) : fd;
}

/* core.file_lock(path, shared, existing) -> lock; nil, a message and the name of the code where
 * the file cannot be opened, with `existing` also where there is none. It is not locked yet. */
static int fs_file_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  bool shared = lua_toboolean(L, 2), existing = lua_toboolean(L, 3);
  lp_allow_path(L, LP_ALLOW_WRITE, path);
  file_lock *lock = lp_object_new(L, sizeof *lock, 0);
  *lock = (file_lock){.fd = -1, .shared = shared};
  luaL_setmetatable(L, CLASS);
  lock->fd = open_file(path, shared, existing);
  if (lock->fd < 0) return fail(L, errno);
  struct stat st;
  if (fstat(lock->fd, &st) == 0 && !S_ISREG(st.st_mode)) {
    close(lock->fd);
    lock->fd = -1;
    return fail(L, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
  }
  return 1;
}

/* lock:try(path) -> true when it is held from now on, false when somebody else holds it,
 * "moved" when the path leads to another file by now; nil, a message and the name of the code
 * where the file system has no locks. */
static int lock_try(lua_State *L) {
  file_lock *lock = check(L);
  const char *path = luaL_checkstring(L, 2);
  if (flock(lock->fd, (lock->shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(L, errno);
    lua_pushboolean(L, false);
    return 1;
  }
  struct stat named, opened;
  bool same = stat(path, &named) == 0 && fstat(lock->fd, &opened) == 0 &&
              named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
  if (same)
    lua_pushboolean(L, true);
  else
    lua_pushliteral(L, "moved");
  return 1;
}

/* lock:read() -> the first bytes of the file. */
static int lock_read(lua_State *L) {
  file_lock *lock = check(L);
  char record[RECORD];
  ssize_t n = pread(lock->fd, record, sizeof record, 0);
  if (n < 0) return fail(L, errno);
  lua_pushlstring(L, record, (size_t)n);
  return 1;
}

/* lock:write(bytes) -> true. Writes them at the beginning of the file. */
static int lock_write(lua_State *L) {
  file_lock *lock = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  ssize_t n = pwrite(lock->fd, bytes, len, 0);
  if (n < 0 || (size_t)n < len) return fail(L, n < 0 ? errno : ENOSPC);
  lua_pushboolean(L, true);
  return 1;
}

/* lock:type() -> the number of its file system, as core.network_type wants it. */
static int lock_type(lua_State *L) {
  struct statfs st;
  if (fstatfs(check(L)->fd, &st) < 0) return 0;
  lua_pushinteger(L, (lua_Integer)st.f_type & 0xFFFFFFFFL);
  return 1;
}

/* core.boot_id() -> which start of the machine this is, "" where the system does not say. */
static int fs_boot_id(lua_State *L) {
  char id[36];
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof id);
  if (fd >= 0) close(fd);
  lua_pushlstring(L, id, n < (ssize_t)sizeof id ? 0 : sizeof id);
  return 1;
}

/* lock:close([ring]). Lets go of the lock; with `ring` it then changes the times of the file,
 * which wakes those who watch it. Safe twice. */
static int lock_close(lua_State *L) {
  file_lock *lock = luaL_checkudata(L, 1, CLASS);
  if (lock->fd < 0) return 0;
  flock(lock->fd, LOCK_UN);
  if (lua_isboolean(L, 2) && lua_toboolean(L, 2)) futimens(lock->fd, NULL);
  close(lock->fd);
  lock->fd = -1;
  return 0;
}

const luaL_Reg lpb_fs_lock_functions[] = {
    {"file_lock", fs_file_lock}, {"boot_id", fs_boot_id}, {NULL, NULL}};

void lpb_fs_lock_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"try", lock_try},     {"read", lock_read},
                                     {"write", lock_write}, {"type", lock_type},
                                     {"close", lock_close}, {"__close", lock_close},
                                     {"__gc", lock_close},  {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
