/* bindings/socket/socket.h: a socket of the LuaSocket door: a descriptor that never blocks, and
 * the tasks that wait for it.
 *
 * What a task asks of a socket is an lpb_socket_want: a step that is tried at once, and again
 * whenever the descriptor is ready, and a function that pushes the results for the script. The
 * wants of one direction are served in the order in which they came. The first one keeps its
 * place until its task has taken the results, so no task gets what another one waits for.
 * Layer: bindings. Owners: the userdata of the script, and each pending operation. */
#ifndef LPB_SOCKET_SOCKET_H
#define LPB_SOCKET_SOCKET_H

#include <lauxlib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "runtime/base/buf.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"

typedef enum { LPB_SOCKET_READ, LPB_SOCKET_WRITE, LPB_SOCKET_DIRECTIONS } lpb_socket_direction;

/* Codes in place of LP_ETIMEOUT for a socket that `tells_wants`. */
enum { LPB_SOCKET_WANTS_READ = -20001, LPB_SOCKET_WANTS_WRITE = -20002 };

/* All codes below are errors of OpenSSL with their sign changed. */
enum { LPB_SOCKET_OPENSSL = -(1 << 23) };

typedef struct lpb_socket lpb_socket;
typedef struct lpb_socket_want lpb_socket_want;

/* What stands between a socket and the bytes of its descriptor: TLS. Nothing here may raise. */
typedef struct lpb_socket_layer {
  /* Appends at most `most` bytes to s->in, and all that it holds itself. Returns 0 or a code.
   */
  int (*fill)(lpb_socket *s, size_t most);
  /* A step: sends w->data from w->done on. */
  int (*send)(lpb_socket *s, lpb_socket_want *w);
  /* Bytes are made that the descriptor has not taken yet. */
  bool (*pending)(const lpb_socket *s);
  /* Gives them to the descriptor, which has room. */
  int (*flush)(lpb_socket *s);
  /* The descriptor is about to be closed. */
  void (*close)(lpb_socket *s);
  /* Gives the memory back. */
  void (*free)(lpb_socket *s);
} lpb_socket_layer;

struct lpb_socket {
  lp_state *st;
  /* -1 before there is a descriptor and after the socket is closed. */
  int fd;
  /* AF_UNSPEC until it is known. */
  int family;
  /* SOCK_STREAM or SOCK_DGRAM. */
  int type;
  /* The userdata and the pending operations. */
  int holders;
  /* Made when a task waits for the first time. */
  struct lpb_socket_poll *poll;
  /* The events that the poll asks for. */
  int armed;
  /* The pending operations of each direction. */
  lp_list waiting[LPB_SOCKET_DIRECTIONS];
  /* The limits that settimeout has set, in seconds: of one wait, and of a whole call. Negative
   * when there is none. */
  double block, total;
  /* What was received and not yet asked for, from in.data[at] on. */
  lp_buf in;
  size_t at;
  /* Statistics: bytes, and the moment of its making. */
  double received, sent, born;
  /* NULL: the bytes are sent as they are. */
  const lpb_socket_layer *layer;
  /* What the layer keeps. */
  void *session;
  /* A call that is late says what it waits for, "wantread", as LuaSec does. */
  bool tells_wants;
};

struct lpb_socket_want {
  /* Made with LPB_SOCKET_CLASS. */
  const lp_op_class *class;
  lpb_socket_direction direction;
  /* What the descriptor must be ready for before the next try: the direction, unless the step
   * has set something else. */
  lpb_socket_direction polls;
  /* Tries. Returns 0 when it is done, UV_EAGAIN when it must be called again, or a negative
   * code. It also runs in callbacks of the loop, so it touches no Lua value. */
  int (*step)(lpb_socket *s, lpb_socket_want *w);
  /* Pushes, inside the task, what the script gets. Returns the number of values. */
  int (*push)(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status);
  /* For `push`: no other task came before, so what the socket has received is for this one. */
  bool turn;
  /* The step has made progress, so the limit of one wait begins anew. */
  bool moved;
  /* The bytes to send, on the stack of the task that waits. */
  const char *data;
  size_t len;
  /* How many bytes were sent or received. */
  size_t done;
  /* The index of `data` in the string of the script. */
  size_t first;
  /* What a receive is to return. */
  int pattern;
  /* A descriptor that was accepted and not yet given to the script, or -1. */
  int fd;
  /* A connect was begun. */
  bool begun;
  /* The addresses to try, on the stack of the task that waits; also sockaddr_in. */
  const struct sockaddr_in6 *addresses;
  int count;
  /* The index of the address that is tried now. */
  int at;
  /* Who sent a datagram. */
  struct sockaddr_in6 from;
};

/* The functions of all operation classes of sockets. */
int lpb_socket_results(lua_State *L, lp_op *op);
void lpb_socket_cancel(lp_op *op, int why);
void lpb_socket_drop(lp_op *op);

#define LPB_SOCKET_CLASS(text)                                                                 \
  {                                                                                            \
    .name = (text), .cancel = lpb_socket_cancel, .results = lpb_socket_results,                \
    .close = lpb_socket_drop                                                                   \
  }

/* Makes a descriptor when there is none. Returns 0 or a negative errno. */
int lpb_socket_create(lpb_socket *s, int family);

/* Ends all waits with `closed` and closes the descriptor. Safe twice. */
void lpb_socket_close(lpb_socket *s);

/* Ends all waits with `closed`, keeps the descriptor open and takes another one, or -1. */
void lpb_socket_forget(lpb_socket *s, int fd);

/* The one whose turn it is in a direction is tried soon, whatever it waits for. */
void lpb_socket_retry(lpb_socket *s, lpb_socket_direction d);

/* One holder lets go; the last one frees the socket. */
void lpb_socket_release(lpb_socket *s);

/* Takes another descriptor, or -1, while tasks wait. Closes the one before when `close` is
 * true. */
void lpb_socket_replace(lpb_socket *s, int fd, bool close);

/* Returns the limit of one wait in seconds; negative when there is none. */
double lpb_socket_timeout(const lpb_socket *s);

/* Tries what `w` wants, waits if it must, and returns the results of w->push. Use it as `return
 * lpb_socket_do(...)`. `w` is copied. */
int lpb_socket_do(lua_State *L, lpb_socket *s, lpb_socket_want *w);

/* Pushes nil and LuaSocket's words for a failure; returns 2. */
int lpb_socket_fail(lua_State *L, int status);

/* Pushes 1, LuaSocket's word for success, or fails when `status` is negative. Returns the
 * number of results. */
int lpb_socket_outcome(lua_State *L, int status);

/* Bytes received and not yet asked for. */
static inline size_t lpb_socket_ready(const lpb_socket *s) {
  return s->in.len - s->at;
}

#endif
