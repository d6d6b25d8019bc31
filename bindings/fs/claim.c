/* bindings/fs/claim.c: a file that one process alone writes, for what is written beside a file
 * and takes its place at the end (luapool.internal.beside). The claim is a lock of the open
 * file: it ends with the process, however that ends. Both functions block, as Lua's io does.
 * Layer: bindings. */
#include "bindings/fs/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/loop/allow.h"

static int close_file(lua_State *L) {
  luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

/* Whoever had the lock may have renamed or removed the file while we opened it. */
static bool is_still(const char *path, int fd) {
  struct stat named, opened;
  return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_ino == opened.st_ino &&
         named.st_dev == opened.st_dev;
}

/* File systems without locks do without. */
int lpb_fs_claim_open(const char *path) {
  for (;;) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return -1;
    bool taken = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (!taken && is_still(path, fd)) return fd;
    close(fd);
    if (!taken) continue;
    errno = EWOULDBLOCK;
    return -1;
  }
}

/* Pushes the file; -1 with errno. */
static int push_locked(lua_State *L, const char *path) {
  luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
  file->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = lpb_fs_claim_open(path);
  file->f = fd < 0 ? NULL : fdopen(fd, "wb");
  if (file->f) file->closef = close_file;
  if (fd >= 0 && !file->f) close(fd);
  return file->f ? fd : -1;
}

/* core.claim(path, anew, mode) -> file, bytes: opens a file for writing and tells how many
 * bytes it holds. With `anew` it is emptied, or cut to so many bytes, and has the permission
 * bits `mode` when they are given. Returns nil and a message when that fails, and when another
 * process has claimed it. */
static int fs_claim(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  bool anew = lua_toboolean(L, 2);
  lua_Integer length = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : 0;
  lua_Integer mode = luaL_optinteger(L, 3, -1);
  lp_allow_path(L, LP_ALLOW_WRITE, path);
  struct stat st;
  int fd = push_locked(L, path);
  bool ok = fd >= 0 && (!anew || (ftruncate(fd, (off_t)length) == 0 &&
                                  (mode < 0 || fchmod(fd, (mode_t)mode) == 0)));
  if (!ok || fstat(fd, &st) < 0) {
    int code = errno;
    lua_pushnil(L);
    lua_pushstring(L, code == EWOULDBLOCK ? "another run is writing it" : strerror(code));
    return 2;
  }
  lua_pushinteger(L, (lua_Integer)st.st_size);
  return 2;
}

/* core.realpath(path) -> the same file's path without links, or nil when there is no such file.
 */
static int fs_realpath(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lp_allow_path(L, LP_ALLOW_READ, name);
  char *path = realpath(name, NULL);
  lua_pushstring(L, path);
  free(path);
  return 1;
}

const luaL_Reg lpb_fs_claim_functions[] = {
    {"claim", fs_claim}, {"realpath", fs_realpath}, {NULL, NULL}};
