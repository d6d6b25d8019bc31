/* bindings/process/popen.c: io.popen. It blocks as the standard one does, but its shell is a
 * child of runtime/ipc/child.h. Layer: bindings. */
#include <errno.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/process/keeper.h"
#include "bindings/process/process.h"
#include "runtime/base/write.h"
#include "runtime/ipc/child.h"
#include "runtime/ipc/spawn.h"
#include "runtime/loop/allow.h"

/* What io.popen returns is a file of the standard library, and the child behind it. */
typedef struct pipe_file {
  luaL_Stream stream; /* first: Lua's functions for files see this alone */
  lp_child child;
} pipe_file;

/* What is written to a shell that has ended raises no signal: the host may not bear it. */
static ssize_t pipe_file_write(void *fd, const char *bytes, size_t n) {
  ssize_t done;
  for (size_t at = 0; at<n; at += done> 0 ? (size_t)done : 0) {
    done = lp_write_some((int)(intptr_t)fd, bytes + at, n - at);
    errno = done < 0 ? (int)-done : errno;
    if (done < 0 && done != -EINTR) return 0;
  }
  return (ssize_t)n;
}

static int pipe_file_shut(void *fd) {
  return close((int)(intptr_t)fd);
}

/* The stream of our end of the pipe. */
static FILE *open_stream(int fd, bool reads) {
  const cookie_io_functions_t writer = {.write = pipe_file_write, .close = pipe_file_shut};
  return reads ? fdopen(fd, "r") : fopencookie((void *)(intptr_t)fd, "w", writer);
}

/* Closes the stream and waits for the child, as stock Lua does: blocking. */
static int pipe_file_close(lua_State *L) {
  pipe_file *p = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int status;
  bool failed = fclose(p->stream.f) != 0;
  int error = errno;
  lp_child_wait(&p->child, true, &status);
  if (!failed && status == LP_CHILD_LOST) error = ECHILD;
  failed = failed || status == LP_CHILD_LOST;
  errno = failed ? error : 0;
  return luaL_execresult(L, failed ? -1 : status);
}

/* Starts the shell at the other end of a pipe. Returns our end, or a negative errno. */
static int start_pipe(lua_State *L, lp_child *child, const char *command, bool reads) {
  int fds[2], rc = lp_spawn_pipe(fds);
  if (rc < 0) return rc;
  lp_child_options options = {.command = command, .fds = {0, 1, 2}};
  options.fds[reads ? STDOUT_FILENO : STDIN_FILENO] = fds[reads];
  rc = lp_child_start(child, lpb_process_keeper(L), &options);
  close(fds[reads]);
  if (rc == 0) return fds[!reads];
  close(fds[!reads]);
  return rc;
}

int lpb_process_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, strcmp(mode, "r") == 0 || strcmp(mode, "w") == 0, 2, "invalid mode");
  lp_allow(L, LP_ALLOW_EXEC, command);
  pipe_file *p = lua_newuserdatauv(L, sizeof *p, 0);
  p->stream.closef = NULL; /* closed, until it is open */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  fflush(NULL);
  int fd = start_pipe(L, &p->child, command, *mode == 'r');
  p->stream.f = fd < 0 ? NULL : open_stream(fd, *mode == 'r');
  if (p->stream.f) {
    p->stream.closef = pipe_file_close;
    return 1;
  }
  int status, error = fd < 0 ? -fd : errno;
  if (fd >= 0) {
    close(fd);
    lp_child_wait(&p->child, true, &status);
  }
  errno = error;
  return luaL_fileresult(L, 0, command);
}
