/* bindings/socket/socket.h: a socket of the LuaSocket door: a descriptor that never blocks, and
 * the tasks that wait for it.
 *
 * What a task wants of a socket is a lpb_socket_want: a step that is tried at once and again
 * whenever the descriptor is ready, and what its end means to the script. Wants of one
 * direction are served in the order of their coming; the first one holds its place until its
 * task has taken the results, so nobody is handed what another one waits for. Layer: bindings.
 * Owner: the userdata of the script, and each pending operation. */
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

typedef struct lpb_socket {
  lp_state *st;
  int fd;     /* -1: none yet, or closed */
  int family; /* AF_UNSPEC until it is known */
  int type;   /* SOCK_STREAM or SOCK_DGRAM */
  int holders;
  struct lpb_socket_poll *poll;           /* made when somebody first has to wait */
  int armed;                              /* events that the poll asks for */
  lp_list waiting[LPB_SOCKET_DIRECTIONS]; /* pending operations */
  double block, total;                    /* limits of settimeout, seconds; negative: none */
  lp_buf in;                              /* received, not yet asked for: from in.data[at] on */
  size_t at;
  double received, sent, born; /* statistics */
} lpb_socket;

typedef struct lpb_socket_want lpb_socket_want;

struct lpb_socket_want {
  const lp_op_class *class; /* made with LPB_SOCKET_CLASS */
  lpb_socket_direction direction;
  /* Tries: 0 when it is done, UV_EAGAIN to be called again, or the code it failed with. Runs in
   * callbacks too. */
  int (*step)(lpb_socket *s, lpb_socket_want *w);
  /* Inside the task: pushes what the script gets, returns how many values. */
  int (*push)(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status);
  bool turn;        /* for push: nobody came before, so what the socket has is for this one */
  bool moved;       /* the step has got on: the limit for the peer begins anew */
  const char *data; /* to be sent, on the stack of who waits */
  size_t len, done; /* of data; what was sent or received */
  size_t first;     /* index of data in the script's string */
  int pattern;      /* of a receive */
  int fd;           /* accepted and not yet handed over, or -1 */
  bool begun;       /* a connect */
  const struct sockaddr_in6 *addresses; /* on the stack of who waits; sockaddr_in too */
  int count, at;                        /* of addresses */
  struct sockaddr_in6 from;             /* who sent a datagram */
};

int lpb_socket_results(lua_State *L, lp_op *op);
void lpb_socket_cancel(lp_op *op, int why);
void lpb_socket_drop(lp_op *op);

#define LPB_SOCKET_CLASS(text)                                                                 \
  {                                                                                            \
    .name = (text), .cancel = lpb_socket_cancel, .results = lpb_socket_results,                \
    .close = lpb_socket_drop                                                                   \
  }

/* Makes a descriptor when there is none. 0 or a negative errno. */
int lpb_socket_create(lpb_socket *s, int family);

/* Ends the waits with `closed` and closes the descriptor. Safe twice. */
void lpb_socket_close(lpb_socket *s);

/* The same without closing it; takes another one, or -1. */
void lpb_socket_forget(lpb_socket *s, int fd);

/* One holder less; the last one frees it. */
void lpb_socket_release(lpb_socket *s);

/* Takes another descriptor, or -1, for those who wait; closes the one before if asked to. */
void lpb_socket_replace(lpb_socket *s, int fd, bool close);

/* The limit of one wait: seconds, negative for none. */
double lpb_socket_timeout(const lpb_socket *s);

/* Tries what is wanted, waits if need be, and returns w->push's results. Use it as `return
 * lpb_socket_do(...)`; w is copied. */
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
