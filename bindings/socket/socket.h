/* bindings/socket/socket.h: a socket of the LuaSocket door: a descriptor that never blocks, and
 * the tasks that wait for it.
 *
 * What a task wants of a socket is a lpb_want: a step that is tried at once and again whenever
 * the descriptor is ready, and what its end means to the script. Wants of one direction are
 * served in the order of their coming; the first one holds its place until its task has taken
 * the results, so nobody is handed what another one waits for. Layer: bindings. Owner: the
 * userdata of the script, and each pending operation. */
#ifndef LP_BINDINGS_SOCKET_SOCKET_H
#define LP_BINDINGS_SOCKET_SOCKET_H

#include <lauxlib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "runtime/base/buf.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"

typedef enum { LP_READ, LP_WRITE, LP_DIRECTIONS } lpb_direction;

typedef struct lpb_socket {
  lp_state *st;
  int fd;     /* -1: none yet, or closed */
  int family; /* AF_UNSPEC until it is known */
  int type;   /* SOCK_STREAM or SOCK_DGRAM */
  int holders;
  struct lpb_socket_poll *poll;   /* made when somebody first has to wait */
  int armed;                      /* events that the poll asks for */
  lp_list waiting[LP_DIRECTIONS]; /* pending operations */
  double block, total;            /* limits of settimeout, seconds; negative: none */
  lp_buf in;                      /* received, not yet asked for: from in.data[at] on */
  size_t at;
  double received, sent, born; /* statistics */
} lpb_socket;

typedef struct lpb_want lpb_want;

struct lpb_want {
  const lp_op_class *class; /* made with LP_SOCKET_CLASS */
  lpb_direction direction;
  /* Tries: 0 when it is done, UV_EAGAIN to be called again, or the code it failed with. Runs in
   * callbacks too. */
  int (*step)(lpb_socket *s, lpb_want *w);
  /* Inside the task: pushes what the script gets, returns how many values. */
  int (*push)(lua_State *L, lpb_socket *s, lpb_want *w, int status);
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

#define LP_SOCKET_CLASS(text)                                                                  \
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
int lpb_socket_do(lua_State *L, lpb_socket *s, lpb_want *w);

/* Pushes nil and LuaSocket's words for a failure; returns 2. */
int lpb_socket_fail(lua_State *L, int status);

/* Bytes received and not yet asked for. */
static inline size_t lpb_socket_ready(const lpb_socket *s) {
  return s->in.len - s->at;
}

/* bindings/socket/class.c: the objects of scripts. */

/* Pushes a new socket of the class ("tcp{client}"), without a descriptor. */
lpb_socket *lpb_socket_push(lua_State *L, const char *class, int family, int type);

/* The socket at index 1; NULL when it is not of the class. */
lpb_socket *lpb_socket_test(lua_State *L, const char *class);

/* The same; raises. */
lpb_socket *lpb_socket_check(lua_State *L, const char *class);

/* The socket of any class at `index`, or NULL. */
lpb_socket *lpb_socket_any(lua_State *L, int index);

/* The socket at index 1 is of this class from now on. */
void lpb_socket_become(lua_State *L, const char *class);

/* Makes a class with these methods, besides those that all sockets have. */
void lpb_socket_class(lua_State *L, const char *class, const luaL_Reg *methods);

/* bindings/socket/option.c: setoption and getoption. */
int lpb_socket_setoption(lua_State *L);
int lpb_socket_getoption(lua_State *L);

/* bindings/socket/address.c: names and addresses. */

/* Finds the addresses of a host and port (host NULL or "*": any address), waits if the host is
 * a name, and calls `then` with an array of `count` addresses, which is on top of the stack.
 * When there are none: nil and a message. Use it as `return lpb_socket_resolve(...)`. */
typedef int lpb_socket_then(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses,
                            int count);
int lpb_socket_resolve(lua_State *L, lpb_socket *s, const char *host, const char *port,
                       lpb_socket_then *then);

/* The one numeric address of a host and port: 0 or a code for lpb_socket_fail. */
int lpb_socket_numeric(const lpb_socket *s, const char *host, const char *port,
                       struct sockaddr_in6 *address);

socklen_t lpb_socket_address_size(const struct sockaddr_in6 *address);

/* getpeername and getsockname. */
int lpb_socket_getpeername(lua_State *L);
int lpb_socket_getsockname(lua_State *L);

/* The functions of socket.dns, select, and those that make sockets, for the table on top. */
void lpb_socket_open_dns(lua_State *L);
void lpb_socket_open_select(lua_State *L);
void lpb_socket_open_tcp(lua_State *L);
void lpb_socket_open_udp(lua_State *L);

#endif
