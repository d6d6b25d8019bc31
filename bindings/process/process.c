/* bindings/process/process.c: programs run to their end, and os.execute.
 *
 * The operation holds the child and the pipes to it: it is finished when the child has been
 * reaped and both outputs have ended, and when it is stopped the child is killed first, with
 * all that descends from it. How a child is started, and why it does not outlive us, is in
 * runtime/ipc/child.h. libuv would take SIGCHLD, and be killed by SIGPIPE: so its end is that
 * of a descriptor, and its input is written here. Layer: bindings. */
#include "bindings/process/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/process/keeper.h"
#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/base/write.h"
#include "runtime/ipc/child.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/loop/usage.h"

enum { IN, OUT, ERR, STREAMS };

/* A descriptor that is polled. `poll.data` is NULL in one that was not opened. */
typedef struct watched {
  uv_poll_t poll;
  int fd;
} watched;

typedef struct exec_op {
  lp_op op;
  lp_child child;
  watched end;              /* readable when the child has ended */
  watched feed;             /* the child's stdin */
  uv_pipe_t pipes[STREAMS]; /* of OUT and ERR; `data` is NULL in one that was not opened */
  lp_buf output[STREAMS];   /* likewise */
  const char *program;      /* on the stack of who waits, like */
  const char *input;        /* what is left to be written, of */
  size_t input_len;         /* so many bytes */
  double timeout;
  size_t most; /* bytes that an output may have */
  int left;    /* the child and the outputs that have not ended */
  int why;     /* stopped for this reason, or 0 */
  int status;  /* as waitpid gives it */
  bool started;
} exec_op;

/* Bytes that a read asks for. */
enum { CHUNK = 64 << 10 };

/* ---- handles ---- */

static void on_closed(uv_handle_t *handle) {
  lp_op_release(handle->data);
}

static void close_handle(uv_handle_t *handle) {
  if (handle->data && !uv_is_closing(handle)) uv_close(handle, on_closed);
}

/* It is out of the loop's poll at once, so the descriptor may be closed. */
static void close_watched(watched *w) {
  if (!w->poll.data || uv_is_closing((uv_handle_t *)&w->poll)) return;
  close_handle((uv_handle_t *)&w->poll);
  close(w->fd);
}

/* Takes over the descriptor. */
static int watch(exec_op *e, watched *w, int fd, int events, uv_poll_cb happened) {
  int rc = uv_poll_init(lp_op_loop(&e->op), &w->poll, fd);
  if (rc < 0) {
    close(fd);
    return rc;
  }
  w->fd = fd;
  w->poll.data = e;
  lp_op_hold(&e->op);
  return uv_poll_start(&w->poll, events, happened);
}

static void close_pipes(exec_op *e) {
  close_watched(&e->feed);
  for (int i = OUT; i < STREAMS; i++) close_handle((uv_handle_t *)&e->pipes[i]);
}

static void finish(exec_op *e, int status) {
  close_pipes(e);
  lp_op_finish(&e->op, status);
}

static void count_end(exec_op *e) {
  if (--e->left == 0) finish(e, e->why);
}

/* An operation that was stopped waits for nothing else. */
static void on_end(uv_poll_t *poll, int status, int events) {
  exec_op *e = poll->data;
  (void)status, (void)events;
  if (!e->started || !lp_child_wait(&e->child, false, &e->status)) return;
  close_watched(&e->end);
  e->started = false;
  if (e->why)
    finish(e, e->why);
  else
    count_end(e);
}

static void stop(lp_op *op, int why) {
  exec_op *e = (exec_op *)op;
  e->why = why;
  close_watched(&e->feed); /* its bytes may be gone soon */
  if (e->started)
    lp_child_kill(&e->child);
  else
    finish(e, why); /* somebody else holds its outputs open */
}

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *space) {
  exec_op *e = handle->data;
  lp_buf *output = &e->output[(uv_pipe_t *)handle - e->pipes];
  (void)suggested;
  if (output->len > e->most || lp_buf_reserve(output, CHUNK) < 0)
    *space = uv_buf_init(NULL, 0);
  else
    *space = uv_buf_init(output->data + output->len, CHUNK);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *space) {
  exec_op *e = stream->data;
  (void)space;
  if (n >= 0) {
    e->output[(uv_pipe_t *)stream - e->pipes].len += (size_t)n;
    return;
  }
  close_handle((uv_handle_t *)stream);
  if (n == UV_ENOBUFS) lp_op_stop(&e->op, LP_EMEMORY);
  if (!e->why) count_end(e);
}

/* A child need not read its input. */
static void on_room(uv_poll_t *poll, int status, int events) {
  exec_op *e = poll->data;
  (void)status, (void)events;
  ssize_t n = lp_write_some(e->feed.fd, e->input, e->input_len);
  if (n == -EAGAIN || n == -EINTR) return;
  if (n > 0) {
    e->input += n;
    e->input_len -= (size_t)n;
  }
  if (n < 0 || e->input_len == 0) close_watched(&e->feed);
}

static void exec_close(lp_op *op) {
  exec_op *e = (exec_op *)op;
  for (int i = 0; i < STREAMS; i++) lp_buf_close(&e->output[i]);
}

/* ---- starting ---- */

/* A real pipe: a child cannot open /dev/stdout when that is a socket, which libuv would make.
 */
static int open_pipe(exec_op *e, int stream, int *to) {
  int ours = stream == IN, fds[2];
  int rc = uv_pipe(fds, ours ? 0 : UV_NONBLOCK_PIPE, ours ? UV_NONBLOCK_PIPE : 0);
  if (rc < 0) return rc;
  *to = fds[!ours];
  if (ours) return watch(e, &e->feed, fds[1], UV_WRITABLE, on_room);
  uv_pipe_init(lp_op_loop(&e->op), &e->pipes[stream], 0);
  e->pipes[stream].data = e;
  lp_op_hold(&e->op);
  rc = uv_pipe_open(&e->pipes[stream], fds[0]);
  if (rc < 0) close(fds[0]);
  return rc;
}

static int open_pipes(exec_op *e, int fds[STREAMS], bool input) {
  int rc = 0;
  for (int i = input ? IN : OUT; i < STREAMS && rc == 0; i++) rc = open_pipe(e, i, &fds[i]);
  return rc;
}

/* The child has its ends. */
static void close_ends(const int fds[STREAMS]) {
  for (int i = 0; i < STREAMS; i++)
    if (fds[i] >= 0) close(fds[i]);
}

/* Starts the child, and reading from those pipes that are open. */
static int spawn(lua_State *L, exec_op *e, const lp_child_options *options) {
  int rc = lp_child_start(&e->child, lpb_process_keeper(L), options);
  if (rc < 0) return rc;
  rc = lp_child_watch(&e->child);
  if (rc >= 0) rc = watch(e, &e->end, rc, UV_READABLE, on_end);
  if (rc < 0) {
    lp_child_kill(&e->child);
    lp_child_wait(&e->child, true, &e->status);
    return rc;
  }
  e->started = true;
  e->left = 1;
  for (int i = OUT; i <= ERR; i++)
    if (e->pipes[i].data)
      e->left++, uv_read_start((uv_stream_t *)&e->pipes[i], on_space, on_output);
  return 0;
}

/* ---- exec ---- */

static int raise_start(lua_State *L, exec_op *e) {
  const char *cwd = lua_tostring(L, 3);
  lp_raise_push(L, "process", "cannot run '%s'%s%s%s: %s", e->program, cwd ? " in '" : "",
                cwd ? cwd : "", cwd ? "'" : "", strerror(-e->op.status));
  lua_pushstring(L, uv_err_name(e->op.status));
  lua_setfield(L, -2, "code");
  return lua_error(L);
}

static void set_outputs(lua_State *L, exec_op *e) {
  lua_pushlstring(L, e->output[OUT].data, e->output[OUT].len);
  lua_setfield(L, -2, "stdout");
  lua_pushlstring(L, e->output[ERR].data, e->output[ERR].len);
  lua_setfield(L, -2, "stderr");
}

static int raise_late(lua_State *L, exec_op *e) {
  lua_pushnumber(L, e->timeout);
  lp_raise_push(L, "timeout", "'%s' was not done after %s s and was killed", e->program,
                lua_tostring(L, -1));
  set_outputs(L, e);
  return lua_error(L);
}

/* The host has done what only who starts a child may do. */
static int raise_lost(lua_State *L, exec_op *e) {
  lp_raise_push(L, "process",
                "how '%s' has ended is not known: this process waits for all of its children",
                e->program);
  lua_pushliteral(L, "ECHILD");
  lua_setfield(L, -2, "code");
  set_outputs(L, e);
  return lua_error(L);
}

static int exec_results(lua_State *L, lp_op *op) {
  exec_op *e = (exec_op *)op;
  if (op->status == LP_ETIMEOUT) return raise_late(L, e);
  if (lp_error_is_ours(op->status)) return lp_op_raise(L, op);
  if (op->status < 0) return raise_start(L, e);
  if (e->status == LP_CHILD_LOST) return raise_lost(L, e);
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, WIFSIGNALED(e->status) ? WTERMSIG(e->status) : WEXITSTATUS(e->status));
  lua_setfield(L, -2, WIFSIGNALED(e->status) ? "signal" : "code");
  set_outputs(L, e);
  return 1;
}

static const lp_op_class exec_class = {
    .name = "process", .cancel = stop, .results = exec_results, .close = exec_close};

/* The strings of the list at `index` as C wants them; the array is pushed. */
static char **push_strings(lua_State *L, int index) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  char **list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1); /* a string, and the list keeps it */
    list[i] = (char *)luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  list[n] = NULL;
  return list;
}

/* core.exec(args, input or nil, cwd or nil, environment or nil, timeout) -> result. See
 * process.lua; the environment is a list of "NAME=value". */
static int process_exec(lua_State *L) {
  size_t len = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *input = luaL_optlstring(L, 2, NULL, &len), *cwd = luaL_optstring(L, 3, NULL);
  double timeout = luaL_checknumber(L, 5);
  lp_child_options options = {.args = push_strings(L, 1), .cwd = cwd, .fds = {-1, -1, -1}};
  lp_allow(L, LP_ALLOW_EXEC, options.args[0]);
  if (!lua_isnil(L, 4)) options.env = push_strings(L, 4);
  exec_op *e = lp_op_new(L, &exec_class, sizeof *e);
  e->program = options.args[0];
  e->input = input;
  e->input_len = len;
  e->timeout = timeout;
  e->most = lp_heap_room(&lp_state_of(L)->heap);
  int rc = open_pipes(e, options.fds, input);
  if (rc == 0) rc = spawn(L, e, &options);
  close_ends(options.fds);
  if (rc < 0)
    finish(e, rc);
  else if (input)
    on_room(&e->feed.poll, 0, UV_WRITABLE);
  return lp_op_await(L, &e->op, timeout);
}

/* core.environment() -> list of "NAME=value" that this process has. */
static int process_environment(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 1; environ[i - 1]; i++) {
    lua_pushstring(L, environ[i - 1]);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* ---- os.execute ---- */

/* Pushes what stock Lua makes of a status of waitpid, or of -1 and errno. */
static int push_status(lua_State *L, int status) {
  if (status != -1) errno = 0;
  return luaL_execresult(L, status);
}

/* Returns a status of waitpid, or -1 and errno. */
static int run_blocking(lua_State *L, const lp_child_options *options) {
  lp_child child;
  int status, rc = lp_child_start(&child, lpb_process_keeper(L), options);
  if (rc == 0 && lp_child_wait(&child, true, &status) && status != LP_CHILD_LOST) return status;
  errno = rc < 0 ? -rc : ECHILD;
  return -1;
}

static int execute_results(lua_State *L, lp_op *op) {
  if (lp_error_is_ours(op->status)) return lp_op_raise(L, op);
  errno = op->status < 0 ? -op->status : ECHILD;
  return push_status(L, op->status < 0 ? -1 : ((exec_op *)op)->status);
}

static const lp_op_class execute_class = {
    .name = "os.execute", .cancel = stop, .results = execute_results};

int lpb_process_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  lp_allow(L, LP_ALLOW_EXEC, command ? command : "sh");
  if (!command) {
    lua_pushboolean(L, system(NULL));
    return 1;
  }
  const lp_child_options options = {.command = command, .fds = {0, 1, 2}};
  if (!lp_state_of(L)->current || !lp_coroutine_suspendable(L))
    return push_status(L, run_blocking(L, &options));
  exec_op *e = lp_op_new(L, &execute_class, sizeof *e);
  int rc = spawn(L, e, &options);
  if (rc < 0) lp_op_finish(&e->op, rc);
  return lp_op_await(L, &e->op, -1);
}

const luaL_Reg lpb_process_functions[] = {
    {"exec", process_exec}, {"environment", process_environment}, {NULL, NULL}};
