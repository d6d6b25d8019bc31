/* bindings/tls/context.c: contexts of TLS, as LuaSec's ssl.newcontext and luapool's own clients
 * make them. Files are read here, so a script needs the permission to read them. Layer:
 * bindings. */
#include "bindings/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "bindings/tls/error.h"
#include "bindings/tls/option.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/raise.h"

lpb_tls_context *lpb_tls_context_check(lua_State *L, int index) {
  lpb_tls_context *c = luaL_checkudata(L, index, LPB_TLS_CONTEXT);
  luaL_argcheck(L, c->ssl, index, "the context is closed");
  return c;
}

static SSL_CTX *check_ssl(lua_State *L) {
  ERR_clear_error(); /* of somebody else */
  return lpb_tls_context_check(L, 1)->ssl;
}

/* Pushes true; returns 1. */
static int succeed(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

static int outcome(lua_State *L, bool ok, const char *what) {
  return ok ? succeed(L) : lpb_tls_error_push(L, what);
}

/* ---- making ---- */

/* tls.context(protocol, mode) -> context; or nil and a message. The protocol: "any", "tlsv1_2"
 * or another name of LuaSec's; the mode: "client" or "server". */
static int tls_context(lua_State *L) {
  const char *protocol = luaL_optstring(L, 1, ""), *mode = luaL_optstring(L, 2, "");
  int version;
  bool server = strcmp(mode, "server") == 0;
  if (!lpb_tls_option_version(protocol, &version)) {
    lua_pushnil(L);
    lua_pushfstring(L, "invalid protocol (%s)", protocol);
    return 2;
  }
  if (!server && strcmp(mode, "client") != 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "invalid mode (%s)", mode);
    return 2;
  }
  lpb_tls_context *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (lpb_tls_context){.server = server};
  luaL_setmetatable(L, LPB_TLS_CONTEXT);
  ERR_clear_error();
  c->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (!c->ssl) return lpb_tls_error_push(L, "error creating context");
  SSL_CTX_set_mode(c->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
  if (version) SSL_CTX_set_min_proto_version(c->ssl, version);
  if (version) SSL_CTX_set_max_proto_version(c->ssl, version);
  return 1;
}

static int context_gc(lua_State *L) {
  lpb_tls_context *c = luaL_checkudata(L, 1, LPB_TLS_CONTEXT);
  SSL_CTX_free(c->ssl);
  c->ssl = NULL;
  lp_buf_close(&c->alpn);
  return 0;
}

static int context_tostring(lua_State *L) {
  lua_pushfstring(L, "SSL context: %p", luaL_checkudata(L, 1, LPB_TLS_CONTEXT));
  return 1;
}

/* context:min_version(name) -> true; or nil and a message. */
static int context_min_version(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  int version = 0;
  lpb_tls_option_version(luaL_checkstring(L, 2), &version);
  return outcome(L, SSL_CTX_set_min_proto_version(ssl, version) == 1, "error setting version");
}

/* ---- files ---- */

/* Pushes nil and "error loading <what> (<path>: <reason>)". */
static int fail_to_load(lua_State *L, const char *what, const char *path) {
  lua_pushnil(L);
  lua_pushfstring(L, "error loading %s (%s: %s)", what, path, lpb_tls_error_text());
  return 2;
}

/* A callback of OpenSSL: the password, which is `data`. An empty one where there is none: the
 * program must not ask at the terminal. */
static int give_password(char *buf, int size, int writing, void *data) {
  (void)writing;
  size_t len = data ? strlen(data) : 0;
  if (len > (size_t)size) return -1;
  memcpy(buf, data ? data : "", len);
  return (int)len;
}

/* context:key(path [, password]) -> true; or nil and a message. */
static int context_key(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  const char *path = luaL_checkstring(L, 2), *password = luaL_optstring(L, 3, NULL);
  lp_allow_path(L, LP_ALLOW_READ, path);
  SSL_CTX_set_default_passwd_cb(ssl, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(ssl, (void *)password);
  bool ok = SSL_CTX_use_PrivateKey_file(ssl, path, SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
  return ok ? succeed(L) : fail_to_load(L, "private key", path);
}

/* context:certificate(path) -> true; or nil and a message. Others of the chain may follow in
 * the file. */
static int context_certificate(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  const char *path = luaL_checkstring(L, 2);
  lp_allow_path(L, LP_ALLOW_READ, path);
  bool ok = SSL_CTX_use_certificate_chain_file(ssl, path) == 1;
  return ok ? succeed(L) : fail_to_load(L, "certificate", path);
}

/* context:checkkey() -> bool: the key belongs to the certificate. */
static int context_checkkey(lua_State *L) {
  lua_pushboolean(L, SSL_CTX_check_private_key(check_ssl(L)) == 1);
  ERR_clear_error();
  return 1;
}

/* context:locations([file [, folder]]) -> true; or nil and a message. The authorities that are
 * trusted; without arguments those of the system. A server tells its clients which it takes. */
static int context_locations(lua_State *L) {
  lpb_tls_context *c = lpb_tls_context_check(L, 1);
  SSL_CTX *ssl = check_ssl(L);
  const char *file = luaL_optstring(L, 2, NULL), *folder = luaL_optstring(L, 3, NULL);
  if (!file && !folder)
    return outcome(L, SSL_CTX_set_default_verify_paths(ssl) == 1, "error loading CA locations");
  if (file) lp_allow_path(L, LP_ALLOW_READ, file);
  if (folder) lp_allow_path(L, LP_ALLOW_READ, folder);
  if (SSL_CTX_load_verify_locations(ssl, file, folder) != 1)
    return fail_to_load(L, "CA locations", file ? file : folder);
  if (c->server && file) SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(file));
  ERR_clear_error();
  return succeed(L);
}

/* ---- settings ---- */

/* context:ciphers(list) -> true; or nil and a message. Up to TLS 1.2. */
static int context_ciphers(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  bool ok = SSL_CTX_set_cipher_list(ssl, luaL_checkstring(L, 2)) == 1;
  return outcome(L, ok, "error setting cipher list");
}

/* context:ciphersuites(list) -> true; or nil and a message. Of TLS 1.3. */
static int context_ciphersuites(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  bool ok = SSL_CTX_set_ciphersuites(ssl, luaL_checkstring(L, 2)) == 1;
  return outcome(L, ok, "error setting cipher suites");
}

/* context:curves(list) -> true; or nil and a message. */
static int context_curves(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  bool ok = SSL_CTX_set1_curves_list(ssl, luaL_checkstring(L, 2)) == 1;
  return outcome(L, ok, "error setting curves");
}

/* context:depth(n) -> true: how many authorities may stand between. */
static int context_depth(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  SSL_CTX_set_verify_depth(ssl, (int)luaL_checkinteger(L, 2));
  return succeed(L);
}

static int reject(lua_State *L, const char *what, const char *name) {
  lua_pushnil(L);
  lua_pushfstring(L, "invalid %s (%s)", what, name ? name : "no string");
  return 2;
}

/* context:verify(name, ...) -> true; or nil and a message. */
static int context_verify(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  int mode = 0;
  for (int i = 2; i <= lua_gettop(L); i++) {
    const char *name = lua_tostring(L, i);
    if (!name || !lpb_tls_option_verify(name, &mode)) return reject(L, "verify option", name);
  }
  SSL_CTX_set_verify(ssl, mode, NULL);
  return succeed(L);
}

/* context:verifyext(name, ...) -> true; or nil and a message. */
static int context_verifyext(lua_State *L) {
  lpb_tls_context *c = lpb_tls_context_check(L, 1);
  unsigned long flags = 0;
  for (int i = 2; i <= lua_gettop(L); i++) {
    const char *name = lua_tostring(L, i);
    if (!name || !lpb_tls_option_verifyext(name, &flags, &c->lenient))
      return reject(L, "verify option", name);
  }
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->ssl), flags);
  return succeed(L);
}

/* context:options(name, ...) -> true; or nil and a message. */
static int context_options(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  uint64_t options = 0;
  for (int i = 2; i <= lua_gettop(L); i++) {
    const char *name = lua_tostring(L, i);
    if (!name || !lpb_tls_option_named(name, &options)) return reject(L, "option", name);
  }
  SSL_CTX_set_options(ssl, options);
  return succeed(L);
}

/* context:alpn(protocols) -> true; or nil and a message. The protocols as they go over the
 * wire: each behind a byte that is its length. */
static int context_alpn(lua_State *L) {
  lpb_tls_context *c = lpb_tls_context_check(L, 1);
  size_t len;
  const char *wire = luaL_checklstring(L, 2, &len);
  if (c->server) {
    c->alpn.len = 0;
    if (lp_buf_append(&c->alpn, wire, len) < 0) lp_raise_code(L, LP_EMEMORY, "ssl.newcontext");
    return succeed(L);
  }
  bool ok = SSL_CTX_set_alpn_protos(check_ssl(L), (const void *)wire, (unsigned)len) == 0;
  return outcome(L, ok, "error setting ALPN");
}

/* context:dhparam(pem) -> true; or nil and a message. */
static int context_dhparam(lua_State *L) {
  SSL_CTX *ssl = check_ssl(L);
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  BIO *bio = BIO_new_mem_buf(pem, (int)len);
  EVP_PKEY *key = bio ? PEM_read_bio_Parameters(bio, NULL) : NULL;
  BIO_free(bio);
  bool ok = key && SSL_CTX_set0_tmp_dh_pkey(ssl, key) == 1;
  if (!ok) EVP_PKEY_free(key);
  return outcome(L, ok, "error setting DH parameters");
}

const luaL_Reg lpb_tls_context_functions[] = {{"context", tls_context}, {NULL, NULL}};

void lpb_tls_context_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", context_gc},
                                  {"__close", context_gc},
                                  {"__tostring", context_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {{"min_version", context_min_version},
                                     {"key", context_key},
                                     {"certificate", context_certificate},
                                     {"checkkey", context_checkkey},
                                     {"locations", context_locations},
                                     {"ciphers", context_ciphers},
                                     {"ciphersuites", context_ciphersuites},
                                     {"curves", context_curves},
                                     {"depth", context_depth},
                                     {"verify", context_verify},
                                     {"verifyext", context_verifyext},
                                     {"options", context_options},
                                     {"alpn", context_alpn},
                                     {"dhparam", context_dhparam},
                                     {NULL, NULL}};
  luaL_newmetatable(L, LPB_TLS_CONTEXT);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
