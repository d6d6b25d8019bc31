/* bindings/tls/extension.h: names and extensions of certificates as tables. Layer: bindings. */
#ifndef LPB_TLS_EXTENSION_H
#define LPB_TLS_EXTENSION_H

#include <lauxlib.h>
#include <openssl/x509.h>

/* Pushes a list of { oid=, name=, value= }. */
void lpb_tls_extension_push_name(lua_State *L, const X509_NAME *name);

/* Pushes a table: object identifier -> { name=, ... }. */
void lpb_tls_extension_push_all(lua_State *L, X509 *x);

#endif
