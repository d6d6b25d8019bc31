/* bindings/tls/session.h: TLS on a socket: the layer that encrypts and decrypts. Layer:
 * bindings. Owner: the socket. */
#ifndef LPB_TLS_SESSION_H
#define LPB_TLS_SESSION_H

#include <openssl/ssl.h>

#include "bindings/socket/socket.h"
#include "bindings/tls/context.h"

typedef struct lpb_tls_session {
  SSL *ssl;
  /* What OpenSSL reads from: the descriptor `fd`; and writes to: memory. SSL owns them. */
  BIO *in, *out;
  int fd;
  bool server;
  unsigned lenient;
  /* Why nothing can be sent any more, or 0. */
  int broken;
  /* Of a server: its protocols, and the contexts for the names that clients ask for. */
  lp_buf alpn;
  struct lpb_tls_session_name *names;
  int name_count;
  /* Other names are refused. */
  bool strict;
  /* What verification has looked past: the place in the chain, 0 the peer's own, and why. */
  struct {
    int depth, code;
  } faults[16];
  int fault_count;
} lpb_tls_session;

/* A context for clients that ask for a name. */
typedef struct lpb_tls_session_name {
  char name[256];
  SSL_CTX *ssl;
} lpb_tls_session_name;

/* Sets the callbacks of a context that servers use, by which each finds its session. */
void lpb_tls_session_serve(SSL_CTX *context);

/* Puts TLS on a socket that has no layer. Returns 0 or LP_EMEMORY; then nothing has changed. */
int lpb_tls_session_attach(lpb_socket *s, const lpb_tls_context *c);

/* A step: the handshake. */
int lpb_tls_session_handshake(lpb_socket *s, lpb_socket_want *w);

/* Returns the session of the connection at index 1; raises when it is none. */
lpb_tls_session *lpb_tls_session_check(lua_State *L);

#endif
