/* bindings/tls/error.h: what OpenSSL says is wrong. Layer: bindings. */
#ifndef LPB_TLS_ERROR_H
#define LPB_TLS_ERROR_H

#include <lauxlib.h>

/* The reason of the first error that OpenSSL has noted in this thread; it forgets all of them.
 * Never NULL; lives until the thread ends. */
const char *lpb_tls_error_text(void);

/* Pushes nil and "<what>: <reason>"; returns 2. */
int lpb_tls_error_push(lua_State *L, const char *what);

/* The first error as a code for lpb_socket_fail; OpenSSL forgets all of them. LP_ECLOSED when
 * there is none. */
int lpb_tls_error_code(void);

#endif
