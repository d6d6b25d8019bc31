/* bindings/tls/connection.c: what scripts do with a connection over TLS: it is made of a client
 * of TCP, shakes hands, and is a client again: receive, send, settimeout and the rest are
 * those of bindings/socket. Layer: bindings. */
#include "bindings/tls/connection.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "bindings/socket/class.h"
#include "bindings/tls/error.h"
#include "bindings/tls/option.h"
#include "bindings/tls/session.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/raise.h"

static int refuse(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

/* tls.wrap(client, context, wants) -> connection; or nil and a message. It takes the
 * descriptor; the client has none from then on. `wants`: a call that is late gives "wantread"
 * or "wantwrite", as LuaSec's do, and not "timeout". */
static int tls_wrap(lua_State *L) {
  lp_allow_bit(L, LP_ALLOW_NET, "ssl");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  const lpb_tls_context *c = lpb_tls_context_check(L, 2);
  if (s->fd < 0) return refuse(L, "closed");
  if (s->layer) return refuse(L, "the connection is over TLS already");
  if (lpb_socket_ready(s) > 0) return refuse(L, "bytes that nobody has read came before TLS");
  lpb_socket *own = lpb_socket_class_push(L, LPB_SOCKET_TLS, s->family, SOCK_STREAM);
  if (lpb_tls_session_attach(own, c) < 0) lp_raise_code(L, LP_EMEMORY, "ssl.wrap");
  own->tells_wants = lua_toboolean(L, 3);
  own->fd = s->fd;
  lpb_socket_forget(s, -1);
  return 1;
}

/* ---- the handshake ---- */

/* An error of OpenSSL comes with a third value: what verification says, or the error again. */
static int push_handshake(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)w;
  const lpb_tls_session *t = s->session;
  lua_pushboolean(L, status == 0);
  if (status == 0) return 1;
  lpb_socket_fail(L, status);
  lua_remove(L, -2);
  if (status > LPB_SOCKET_OPENSSL) return 2;
  long verified = SSL_get_verify_result(t->ssl);
  if (verified == X509_V_OK)
    lua_pushvalue(L, -1);
  else
    lua_pushstring(L, X509_verify_cert_error_string(verified));
  return 3;
}

/* connection:dohandshake() -> true; or false and a message. */
static int connection_dohandshake(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("TLS handshake");
  lpb_tls_session_check(L);
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_TLS);
  lpb_socket_want w = {
      .class = &class, .step = lpb_tls_session_handshake, .push = push_handshake};
  return lpb_socket_do(L, s, &w);
}

static bool is_address(const char *name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* The certificate of the server must be for this name or address. */
static bool expect(lpb_tls_session *t, const char *name) {
  X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);
  if (is_address(name)) return X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1;
  X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1;
}

/* A client says which server it wants, and no other is good enough when it verifies. */
static int ask_for(lua_State *L, lpb_tls_session *t) {
  const char *name = luaL_checkstring(L, 2);
  bool verifies = (SSL_get_verify_mode(t->ssl) & SSL_VERIFY_PEER) &&
                  !(t->lenient & LPB_TLS_OPTION_CONTINUE);
  ERR_clear_error();
  luaL_argcheck(L, *name && strlen(name) < 256, 2, "no name of a host");
  bool ok = is_address(name) || SSL_set_tlsext_host_name(t->ssl, name) == 1;
  if (!ok || (verifies && !expect(t, name))) return lpb_tls_error_push(L, "error setting SNI");
  return 0;
}

/* Appends the name at -2 and the context at -1. */
static void add_name(lua_State *L, lpb_tls_session *t) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
  luaL_argcheck(L, name && strlen(name) < sizeof t->names->name, 2, "no name of a host");
  SSL_CTX *ssl = lpb_tls_context_check(L, lua_gettop(L))->ssl;
  lpb_tls_session_name *names =
      lp_alloc_resize(t->names, (size_t)(t->name_count + 1) * sizeof *names);
  if (!names) lp_raise_code(L, LP_EMEMORY, "sni");
  t->names = names;
  strcpy(names[t->name_count].name, name);
  names[t->name_count++].ssl = ssl;
  SSL_CTX_up_ref(ssl);
  lpb_tls_session_serve(ssl);
}

/* connection:sni(name), of a client; or connection:sni(contexts [, strict]), of a server: a
 * table of contexts by the name of the host. `strict` refuses other names. */
static int connection_sni(lua_State *L) {
  lpb_tls_session *t = lpb_tls_session_check(L);
  if (!t->server) return ask_for(L, t);
  luaL_checktype(L, 2, LUA_TTABLE);
  t->strict = lua_toboolean(L, 3);
  lua_settop(L, 2);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    add_name(L, t);
    lua_pop(L, 1);
  }
  return 0;
}

/* connection:want() -> "nothing", "read" or "write". */
static int connection_want(lua_State *L) {
  lpb_tls_session *t = lpb_tls_session_check(L);
  bool writes = BIO_ctrl_pending(t->out) > 0;
  lua_pushstring(L, writes ? "write" : SSL_want(t->ssl) == SSL_READING ? "read" : "nothing");
  return 1;
}

/* ---- what was agreed on ---- */

/* connection:getsniname() -> the name that the client has asked for, or nil. */
static int connection_getsniname(lua_State *L) {
  lua_pushstring(L,
                 SSL_get_servername(lpb_tls_session_check(L)->ssl, TLSEXT_NAMETYPE_host_name));
  return 1;
}

/* connection:getalpn() -> the protocol, or nil. */
static int connection_getalpn(lua_State *L) {
  const unsigned char *name;
  unsigned len;
  SSL_get0_alpn_selected(lpb_tls_session_check(L)->ssl, &name, &len);
  if (len == 0) return 0;
  lua_pushlstring(L, (const char *)name, len);
  return 1;
}

/* connection:cipher() -> description, bits of the cipher, bits of its algorithm, version; or
 * nothing before the handshake. */
static int connection_cipher(lua_State *L) {
  SSL *ssl = lpb_tls_session_check(L)->ssl;
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  if (!cipher) return 0;
  char text[256];
  int algorithm;
  int bits = SSL_CIPHER_get_bits(cipher, &algorithm);
  lua_pushstring(L, SSL_CIPHER_description(cipher, text, sizeof text));
  lua_pushinteger(L, bits);
  lua_pushinteger(L, algorithm);
  lua_pushstring(L, SSL_get_version(ssl));
  return 4;
}

typedef size_t finished_of(const SSL *ssl, void *buf, size_t size);

static int push_finished(lua_State *L, finished_of *get) {
  char bytes[EVP_MAX_MD_SIZE];
  size_t len = get(lpb_tls_session_check(L)->ssl, bytes, sizeof bytes);
  if (len == 0) return 0;
  lua_pushlstring(L, bytes, len);
  return 1;
}

/* connection:getfinished() -> the last message of our handshake, or nil. */
static int connection_getfinished(lua_State *L) {
  return push_finished(L, SSL_get_finished);
}

/* connection:getpeerfinished() -> the last message of the peer's handshake, or nil. */
static int connection_getpeerfinished(lua_State *L) {
  return push_finished(L, SSL_get_peer_finished);
}

/* connection:exportkeyingmaterial(label, length [, context]) -> bytes; or nil and a message. */
static int connection_exportkeyingmaterial(lua_State *L) {
  SSL *ssl = lpb_tls_session_check(L)->ssl;
  size_t label_len, context_len = 0;
  const char *label = luaL_checklstring(L, 2, &label_len);
  lua_Integer len = luaL_checkinteger(L, 3);
  const char *context = luaL_optlstring(L, 4, NULL, &context_len);
  luaL_argcheck(L, len > 0 && len <= 1 << 16, 3, "a length from 1 to 65536 expected");
  luaL_Buffer b;
  char *bytes = luaL_buffinitsize(L, &b, (size_t)len);
  ERR_clear_error();
  if (SSL_export_keying_material(ssl, (void *)bytes, (size_t)len, label, label_len,
                                 (const void *)context, context_len, context != NULL) != 1)
    return lpb_tls_error_push(L, "error exporting keying material");
  luaL_pushresultsize(&b, (size_t)len);
  return 1;
}

/* ---- verification ---- */

/* connection:getpeerverification() -> true; or false and what is wrong: a text, or, where
 * verification goes on ("lsec_continue"), lists of texts by the place in the chain, 1 that of
 * the peer. */
static int connection_getpeerverification(lua_State *L) {
  const lpb_tls_session *t = lpb_tls_session_check(L);
  long result = SSL_get_verify_result(t->ssl);
  lua_pushboolean(L, result == X509_V_OK && t->fault_count == 0);
  if (lua_toboolean(L, -1)) return 1;
  if (t->fault_count == 0) {
    lua_pushstring(L, X509_verify_cert_error_string(result));
    return 2;
  }
  lua_newtable(L);
  for (int i = 0; i < t->fault_count; i++) {
    if (lua_rawgeti(L, -1, t->faults[i].depth + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_rawseti(L, -3, t->faults[i].depth + 1);
    }
    lua_pushstring(L, X509_verify_cert_error_string(t->faults[i].code));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
  }
  return 2;
}

const luaL_Reg lpb_tls_connection_functions[] = {{"wrap", tls_wrap}, {NULL, NULL}};

const luaL_Reg lpb_tls_connection_methods[] = {
    {"dohandshake", connection_dohandshake},
    {"sni", connection_sni},
    {"want", connection_want},
    {"getsniname", connection_getsniname},
    {"getalpn", connection_getalpn},
    {"cipher", connection_cipher},
    {"getfinished", connection_getfinished},
    {"getpeerfinished", connection_getpeerfinished},
    {"exportkeyingmaterial", connection_exportkeyingmaterial},
    {"getpeerverification", connection_getpeerverification},
    {NULL, NULL}};
