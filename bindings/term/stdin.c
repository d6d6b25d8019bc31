/* bindings/term/stdin.c: `io.read`, `io.lines()` and the methods `read` and `lines` of stdin
 * wait in the program's main process while there is no input, so that other tasks go on. In all
 * else they are the standard ones, which also do the reading wherever it cannot block: of a
 * regular file, of what the stream has in its buffer, and where the caller may not be
 * suspended. All of it reads through the one buffer of the C stream. Layer: bindings. Process:
 * main. */
#include "bindings/term/stdin.h"

#include <errno.h>
#include <lualib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

/* The standard functions, in a table of the registry. */
enum { IO_READ = 1, IO_LINES, IO_INPUT, FILE_READ, FILE_LINES };
static const char KEPT;

static lua_CFunction kept(lua_State *L, int which) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &KEPT);
  lua_rawgeti(L, -1, which);
  lua_CFunction f = lua_tocfunction(L, -1);
  lua_pop(L, 2);
  return f;
}

/* ---- waiting ---- */

/* The descriptor is watched through an epoll instance of its own: libuv would make stdin itself
 * non-blocking, and with it the terminal of everybody. */
typedef struct stdin_op {
  lp_op op;
  uv_poll_t poll;
  int epoll;
} stdin_op;

static void on_poll_closed(uv_handle_t *handle) {
  stdin_op *s = lp_list_of(handle, stdin_op, poll);
  close(s->epoll);
  lp_op_release(&s->op);
}

static void stop(lp_op *op, int why) {
  stdin_op *s = (stdin_op *)op;
  if (!uv_is_closing((uv_handle_t *)&s->poll))
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
  lp_op_finish(op, why);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events; /* reading will show an error */
  stop(&lp_list_of(poll, stdin_op, poll)->op, 0);
}

static const lp_op_class stdin_class = {.name = "stdin", .cancel = stop};

static int start(stdin_op *s) {
  struct epoll_event input = {.events = EPOLLIN};
  s->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (s->epoll < 0) return -errno;
  int rc = epoll_ctl(s->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0 ? -errno : 0;
  if (rc == 0) rc = uv_poll_init(lp_op_loop(&s->op), &s->poll, s->epoll);
  if (rc < 0) {
    close(s->epoll);
    return rc;
  }
  lp_op_hold(&s->op);
  uv_poll_start(&s->poll, UV_READABLE, on_poll); /* never fails */
  return 0;
}

static int wait_for_input(lua_State *L) {
  stdin_op *s = lp_op_new(L, &stdin_class, sizeof *s);
  int rc = start(s);
  if (rc < 0) lp_op_finish(&s->op, rc);
  return lp_op_await(L, &s->op, -1);
}

/* ---- the stream ---- */

static bool is_stdin(lua_State *L, int at) {
  luaL_Stream *file = luaL_testudata(L, at, LUA_FILEHANDLE);
  return file && file->closef && file->f == stdin;
}

static size_t buffered(void) {
  return (size_t)(stdin->_IO_read_end - stdin->_IO_read_ptr);
}

/* The descriptor has input, or has ended. */
static bool has_input(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return buffered() > 0 || poll(&input, 1, 0) != 0;
}

static bool may_wait(lua_State *L) {
  struct stat st;
  return lp_state_of(L)->current && lp_coroutine_suspendable(L) &&
         fstat(STDIN_FILENO, &st) == 0 && !S_ISREG(st.st_mode);
}

/* ---- reading ---- */

/* LINE and WHOLE_LINE are the formats "l" and "L", OTHER is what is left to the standard
 * function once there is some input. */
typedef enum { LINE, WHOLE_LINE, ALL, COUNT, OTHER } form;

/* What a read has got so far. */
typedef struct gather {
  lp_buf data;
  form format;
  size_t most; /* bytes that a COUNT wants */
  bool ended;
  int error;
} gather;

static const char GATHER[] = "luapool.stdin.gather";

static int gather_close(lua_State *L) {
  lp_buf_close(&((gather *)lua_touserdata(L, 1))->data);
  return 0;
}

/* The format of a read whose formats stand on the stack from `first` on. */
static form parse(lua_State *L, int first, size_t *most) {
  int n = lua_gettop(L) - first + 1;
  if (n <= 0) return LINE;
  if (n > 1) return OTHER;
  if (lua_isinteger(L, first)) {
    *most = (size_t)lua_tointeger(L, first);
    return lua_tointeger(L, first) > 0 ? COUNT : OTHER;
  }
  const char *text = lua_type(L, first) == LUA_TSTRING ? lua_tostring(L, first) : "";
  if (*text == '*') text++;
  return *text == 'l' ? LINE : *text == 'L' ? WHOLE_LINE : *text == 'a' ? ALL : OTHER;
}

/* The buffer has all that is wanted. */
static bool is_buffered(form format, size_t most) {
  size_t n = buffered();
  if (format == COUNT) return n >= most;
  return format <= WHOLE_LINE && n > 0 && memchr(stdin->_IO_read_ptr, '\n', n) != NULL;
}

/* Fills the empty buffer; false at the end, on an error, and when there is nothing after all.
 */
static bool fill(gather *g) {
  errno = 0;
  int c = getc(stdin);
  if (c != EOF) return ungetc(c, stdin) != EOF;
  bool again = ferror(stdin) && (errno == EAGAIN || errno == EINTR);
  if (!again) g->ended = true;
  if (!again && ferror(stdin)) g->error = errno;
  clearerr(stdin);
  return false;
}

/* Takes what is there, without blocking; true when that is all that is wanted. */
static bool take(lua_State *L, gather *g) {
  while (!g->ended && has_input()) {
    if (buffered() == 0 && !fill(g)) continue;
    size_t n = buffered();
    const char *end = g->format <= WHOLE_LINE ? memchr(stdin->_IO_read_ptr, '\n', n) : NULL;
    if (end) n = (size_t)(end + 1 - stdin->_IO_read_ptr);
    if (g->format == COUNT && n > g->most - g->data.len) n = g->most - g->data.len;
    if (lp_buf_reserve(&g->data, n) < 0) lp_raise_code(L, LP_EMEMORY, "read");
    g->data.len += fread(g->data.data + g->data.len, 1, n, stdin);
    if (end || (g->format == COUNT && g->data.len == g->most)) return true;
  }
  return g->ended;
}

static int push_result(lua_State *L, gather *g) {
  errno = g->error;
  if (g->error) return luaL_fileresult(L, 0, NULL);
  size_t n = g->data.len;
  bool nothing = n == 0 && g->format != ALL;
  if (g->format == LINE && n > 0 && g->data.data[n - 1] == '\n') n--;
  if (nothing)
    luaL_pushfail(L);
  else
    lua_pushlstring(L, n ? g->data.data : "", n);
  lp_buf_close(&g->data);
  return 1;
}

/* How a read is told what it gave: an iterator raises an error. */
static int give(lua_State *L, int results, bool iterator) {
  if (!iterator || lua_toboolean(L, -results)) return results;
  return results > 1 ? luaL_error(L, "%s", lua_tostring(L, -results + 1)) : 0;
}

/* The gather is on top of the stack. Also the continuation of a wait. */
static int gather_on(lua_State *L, int status, lua_KContext iterator) {
  (void)status;
  for (;;) {
    gather *g = lua_touserdata(L, -1);
    if (take(L, g)) return give(L, push_result(L, g), iterator);
    lua_pushcfunction(L, wait_for_input);
    lua_callk(L, 0, 0, iterator, gather_on);
  }
}

static int read_other(lua_State *L, int status, lua_KContext standard) {
  (void)status;
  return kept(L, (int)standard)(L);
}

/* Reads from stdin; the formats stand on the stack from `first` on. */
static int read_stdin(lua_State *L, int first, int standard, bool iterator) {
  size_t most = 0;
  form format = parse(L, first, &most);
  bool at_once = is_buffered(format, most) || (format == OTHER && has_input());
  if (at_once || !may_wait(L)) return give(L, kept(L, standard)(L), iterator);
  if (format == OTHER) {
    lua_pushcfunction(L, wait_for_input);
    lua_callk(L, 0, 0, standard, read_other);
    return read_other(L, LUA_OK, standard);
  }
  gather *g = lp_object_new(L, sizeof *g, 0);
  *g = (gather){.format = format, .most = most};
  luaL_setmetatable(L, GATHER);
  return gather_on(L, LUA_OK, iterator);
}

/* io.read(...) */
static int stdin_io_read(lua_State *L) {
  lua_pushcfunction(L, kept(L, IO_INPUT));
  lua_call(L, 0, 1);
  bool ours = is_stdin(L, -1);
  lua_pop(L, 1);
  return ours ? read_stdin(L, 1, IO_READ, false) : kept(L, IO_READ)(L);
}

/* file:read(...) */
static int stdin_file_read(lua_State *L) {
  return is_stdin(L, 1) ? read_stdin(L, 2, FILE_READ, false) : kept(L, FILE_READ)(L);
}

/* The iterator of lines. Its upvalues are the file and a format, or nil. */
static int stdin_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  if (!lua_isnil(L, lua_upvalueindex(2))) lua_pushvalue(L, lua_upvalueindex(2));
  if (!is_stdin(L, 1)) return luaL_error(L, "file is already closed");
  return read_stdin(L, 2, FILE_READ, true);
}

/* io.lines(). With a name, or with more than one format, the standard one. */
static int stdin_io_lines(lua_State *L) {
  int top = lua_gettop(L);
  if (!lua_isnoneornil(L, 1) || top > 2) return kept(L, IO_LINES)(L);
  lua_pushcfunction(L, kept(L, IO_INPUT));
  lua_call(L, 0, 1);
  bool ours = is_stdin(L, -1);
  if (!ours) {
    lua_settop(L, top);
    return kept(L, IO_LINES)(L);
  }
  lua_insert(L, 1);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, top == 2 ? 3 : -2);
  lua_pushcclosure(L, stdin_next, 2);
  return 1;
}

/* file:lines(). With more than one format the standard one. */
static int stdin_file_lines(lua_State *L) {
  if (!is_stdin(L, 1) || lua_gettop(L) > 2) return kept(L, FILE_LINES)(L);
  lua_settop(L, 2);
  lua_pushcclosure(L, stdin_next, 2);
  return 1;
}

/* Puts `f` in place of the field `name` of the table at `table`, keeps what was there. */
static void replace(lua_State *L, int table, const char *name, lua_CFunction f, int which) {
  lua_getfield(L, table, name);
  lua_rawseti(L, 1, which);
  lua_pushcfunction(L, f);
  lua_setfield(L, table, name);
}

/* core.take_input(): reading from stdin waits from now on. Once. */
static int stdin_take_input(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  lua_getglobal(L, LUA_IOLIBNAME);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, 3, "__index");
  lua_getfield(L, 2, "input");
  lua_rawseti(L, 1, IO_INPUT);
  replace(L, 2, "read", stdin_io_read, IO_READ);
  replace(L, 2, "lines", stdin_io_lines, IO_LINES);
  replace(L, 4, "read", stdin_file_read, FILE_READ);
  replace(L, 4, "lines", stdin_file_lines, FILE_LINES);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &KEPT);
  luaL_newmetatable(L, GATHER);
  lua_pushcfunction(L, gather_close);
  lua_setfield(L, -2, "__gc");
  return 0;
}

const luaL_Reg lpb_term_stdin_functions[] = {{"take_input", stdin_take_input}, {NULL, NULL}};
