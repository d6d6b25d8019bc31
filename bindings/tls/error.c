/* bindings/tls/error.c: what OpenSSL says is wrong. Its errors stand in a queue of the thread.
 * The first one is the cause, and those behind it say where it was noticed. Layer: bindings. */
#include "bindings/tls/error.h"

#include <openssl/err.h>
#include <string.h>

#include "runtime/base/error.h"

const char *lpb_tls_error_text(void) {
  unsigned long e = ERR_get_error();
  const char *text = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : NULL;
  if (e && !text) text = ERR_reason_error_string(e);
  ERR_clear_error();
  return text ? text : "no reason is told";
}

int lpb_tls_error_push(lua_State *L, const char *what) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, lpb_tls_error_text());
  return 2;
}

int lpb_tls_error_code(void) {
  unsigned long e = ERR_get_error();
  ERR_clear_error();
  if (e == 0) return LP_ECLOSED;
  if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE) return LP_EMEMORY;
  return -(int)(ERR_SYSTEM_ERROR(e) ? (unsigned long)ERR_GET_REASON(e) : e & 0x7fffffff);
}
