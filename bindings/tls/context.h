/* bindings/tls/context.h: what connections over TLS have in common: certificate and key, whom
 * they trust, versions, ciphers. Names and results are those of LuaSec's contexts. Layer:
 * bindings. Owner: the userdata; a session that is made of it holds OpenSSL's half. */
#ifndef LPB_TLS_CONTEXT_H
#define LPB_TLS_CONTEXT_H

#include <lauxlib.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "runtime/base/buf.h"

/* The name of the class. */
#define LPB_TLS_CONTEXT "SSL:Context"

typedef struct lpb_tls_context {
  SSL_CTX *ssl;
  bool server;
  /* What verification looks past: bits of bindings/tls/option.h. */
  unsigned lenient;
  /* Of a server: the protocols that it takes, as they go over the wire, the best first. */
  lp_buf alpn;
} lpb_tls_context;

/* The function that makes contexts; `open` makes their class. */
extern const luaL_Reg lpb_tls_context_functions[];
void lpb_tls_context_open(lua_State *L);

/* Returns the context at `index`; raises when it is none. */
lpb_tls_context *lpb_tls_context_check(lua_State *L, int index);

#endif
