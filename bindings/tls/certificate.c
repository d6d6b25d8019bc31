/* bindings/tls/certificate.c: certificates as objects: those of a connection, and those that a
 * script loads. Results are LuaSec's. Layer: bindings. Owner: the userdata holds a reference.
 */
#include "bindings/tls/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "bindings/tls/error.h"
#include "bindings/tls/extension.h"
#include "bindings/tls/session.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

#define CLASS "SSL:Certificate"

static X509 *check(lua_State *L, int index) {
  X509 *x = *(X509 **)luaL_checkudata(L, index, CLASS);
  luaL_argcheck(L, x, index, "the certificate is closed");
  return x;
}

/* Pushes an object that holds a reference of its own; nil when there is no certificate. */
static int push(lua_State *L, X509 *x) {
  if (!x) {
    lua_pushnil(L);
    return 1;
  }
  X509 **box = lua_newuserdatauv(L, sizeof(X509 *), 0);
  *box = NULL;
  luaL_setmetatable(L, CLASS);
  X509_up_ref(x);
  *box = x;
  return 1;
}

static int certificate_gc(lua_State *L) {
  X509 **box = luaL_checkudata(L, 1, CLASS);
  X509_free(*box);
  *box = NULL;
  return 0;
}

static int certificate_tostring(lua_State *L) {
  lua_pushfstring(L, "X509 certificate: %p", luaL_checkudata(L, 1, CLASS));
  return 1;
}

static int certificate_eq(lua_State *L) {
  lua_pushboolean(L, X509_cmp(check(L, 1), check(L, 2)) == 0);
  return 1;
}

/* tls.loadcertificate(pem) -> certificate; or nil and a message. */
static int tls_loadcertificate(lua_State *L) {
  size_t len;
  const char *pem = luaL_checklstring(L, 1, &len);
  ERR_clear_error();
  BIO *bio = BIO_new_mem_buf(pem, (int)len);
  X509 **box = lua_newuserdatauv(L, sizeof(X509 *), 0);
  *box = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
  luaL_setmetatable(L, CLASS);
  BIO_free(bio);
  return *box ? 1 : lpb_tls_error_push(L, "error loading certificate");
}

/* ---- what stands in it ---- */

/* certificate:subject() -> a list of { oid=, name=, value= }. */
static int certificate_subject(lua_State *L) {
  lpb_tls_extension_push_name(L, X509_get_subject_name(check(L, 1)));
  return 1;
}

/* certificate:issuer() -> a list of { oid=, name=, value= }. */
static int certificate_issuer(lua_State *L) {
  lpb_tls_extension_push_name(L, X509_get_issuer_name(check(L, 1)));
  return 1;
}

/* certificate:extensions() -> a table by object identifier. */
static int certificate_extensions(lua_State *L) {
  lpb_tls_extension_push_all(L, check(L, 1));
  return 1;
}

/* certificate:serial() -> hexadecimal digits. */
static int certificate_serial(lua_State *L) {
  BIGNUM *n = ASN1_INTEGER_to_BN(X509_get_serialNumber(check(L, 1)), NULL);
  char *digits = n ? BN_bn2hex(n) : NULL, text[256];
  snprintf(text, sizeof text, "%s", digits ? digits : ""); /* pushing may raise */
  OPENSSL_free(digits);
  BN_free(n);
  lua_pushstring(L, text);
  return 1;
}

/* A function of OpenSSL that writes `what` as text. */
typedef int writer(BIO *bio, const void *what);

/* Pushes what it writes. The bytes are copied before they are pushed, which may raise. */
static int push_written(lua_State *L, writer *write, const void *what) {
  char small[1024], *bytes = NULL;
  BIO *bio = BIO_new(BIO_s_mem());
  long len = bio && write(bio, what) == 1 ? BIO_get_mem_data(bio, &bytes) : 0;
  if (len <= (long)sizeof small) {
    memcpy(small, bytes ? bytes : "", (size_t)len);
    BIO_free(bio);
    lua_pushlstring(L, small, (size_t)len);
    return 1;
  }
  BIO_free(bio);
  luaL_Buffer b;
  char *room = luaL_buffinitsize(L, &b, (size_t)len);
  bio = BIO_new(BIO_s_mem());
  int n = bio && write(bio, what) == 1 ? BIO_read(bio, room, (int)len) : 0;
  BIO_free(bio);
  luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
  return 1;
}

static int write_time(BIO *bio, const void *t) {
  return ASN1_TIME_print(bio, t);
}

static int write_pem(BIO *bio, const void *x) {
  return PEM_write_bio_X509(bio, (X509 *)x);
}

static int write_key(BIO *bio, const void *key) {
  return PEM_write_bio_PUBKEY(bio, (EVP_PKEY *)key);
}

/* certificate:notbefore() -> the time from which it is valid. */
static int certificate_notbefore(lua_State *L) {
  return push_written(L, write_time, X509_get0_notBefore(check(L, 1)));
}

/* certificate:notafter() -> the time until which it is valid. */
static int certificate_notafter(lua_State *L) {
  return push_written(L, write_time, X509_get0_notAfter(check(L, 1)));
}

/* certificate:validat(time) -> bool; the time in seconds since 1970. */
static int certificate_validat(lua_State *L) {
  const X509 *x = check(L, 1);
  time_t at = (time_t)luaL_checknumber(L, 2);
  lua_pushboolean(L, X509_cmp_time(X509_get0_notBefore(x), &at) < 0 &&
                         X509_cmp_time(X509_get0_notAfter(x), &at) > 0);
  return 1;
}

/* certificate:pem() -> text. */
static int certificate_pem(lua_State *L) {
  return push_written(L, write_pem, check(L, 1));
}

static const char *type_of(const EVP_PKEY *key) {
  switch (EVP_PKEY_base_id(key)) {
  case EVP_PKEY_RSA: return "RSA";
  case EVP_PKEY_DSA: return "DSA";
  case EVP_PKEY_DH: return "DH";
  case EVP_PKEY_EC: return "EC";
  default: return "Unknown";
  }
}

/* certificate:pubkey() -> PEM, type ("RSA", "EC", …), bits. */
static int certificate_pubkey(lua_State *L) {
  EVP_PKEY *key = X509_get0_pubkey(check(L, 1));
  if (!key) return lpb_tls_error_push(L, "error reading the public key");
  push_written(L, write_key, key);
  lua_pushstring(L, type_of(key));
  lua_pushinteger(L, EVP_PKEY_bits(key));
  return 3;
}

/* certificate:digest([algorithm]) -> hexadecimal digits; "sha1" unless said. nil and a message
 * when nobody knows the algorithm. */
static int certificate_digest(lua_State *L) {
  X509 *x = check(L, 1);
  const EVP_MD *md = EVP_get_digestbyname(luaL_optstring(L, 2, "sha1"));
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (!md || X509_digest(x, md, bytes, &len) != 1) {
    lua_pushnil(L);
    lua_pushliteral(L, "digest algorithm not supported");
    return 2;
  }
  char hex[2 * EVP_MAX_MD_SIZE + 1];
  for (unsigned i = 0; i < len; i++) {
    hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  lua_pushlstring(L, hex, (size_t)len * 2);
  return 1;
}

/* certificate:getsignaturename() -> "ecdsa-with-SHA256". */
static int certificate_getsignaturename(lua_State *L) {
  int nid = X509_get_signature_nid(check(L, 1));
  lua_pushstring(L, nid == NID_undef ? NULL : OBJ_nid2sn(nid));
  return 1;
}

/* certificate:setencode("utf8"|"ascii") -> bool. Texts are always UTF-8. */
static int certificate_setencode(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  check(L, 1);
  lua_pushboolean(L, strcmp(name, "utf8") == 0 || strcmp(name, "ascii") == 0);
  return 1;
}

/* certificate:issued(...) -> true when this one and those between lead to the last one; or nil
 * and a message: root:issued(leaf [, between ...]). */
static int certificate_issued(lua_State *L) {
  int top = lua_gettop(L), ok = 0, why = X509_V_ERR_OUT_OF_MEM;
  for (int i = 1; i <= top; i++) check(L, i);
  check(L, 2);
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *v = X509_STORE_CTX_new();
  STACK_OF(X509) *between = sk_X509_new_null();
  if (store && v && between && X509_STORE_add_cert(store, check(L, 1)) == 1) {
    for (int i = 3; i <= top; i++) sk_X509_push(between, check(L, i));
    if (X509_STORE_CTX_init(v, store, check(L, 2), between) == 1) {
      ok = X509_verify_cert(v) == 1;
      why = X509_STORE_CTX_get_error(v);
    }
  }
  sk_X509_free(between);
  X509_STORE_CTX_free(v);
  X509_STORE_free(store);
  ERR_clear_error();
  if (!ok) lua_pushnil(L);
  if (ok)
    lua_pushboolean(L, 1);
  else
    lua_pushstring(L, X509_verify_cert_error_string(why));
  return ok ? 1 : 2;
}

/* ---- those of a connection ---- */

/* connection:getpeercertificate([n]) -> certificate or nil: the peer's own is 1, behind it come
 * those that it has sent besides. */
static int connection_getpeercertificate(lua_State *L) {
  const lpb_tls_session *t = lpb_tls_session_check(L);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 1 && n <= 1 << 20, 2, "invalid certificate index");
  if (n == 1) return push(L, SSL_get0_peer_certificate(t->ssl));
  const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl);
  int i =
      (int)n - (t->server ? 2 : 1); /* a server's list does not begin with the client's own */
  return push(L, chain && i < sk_X509_num(chain) ? sk_X509_value(chain, i) : NULL);
}

/* Pushes a list: `own`, when there is one, and the chain. */
static int push_chain(lua_State *L, X509 *own, const STACK_OF(X509) * chain) {
  int n = 0;
  lua_newtable(L);
  if (own) {
    push(L, own);
    lua_rawseti(L, -2, ++n);
  }
  for (int i = 0; chain && i < sk_X509_num(chain); i++) {
    push(L, sk_X509_value(chain, i));
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* connection:getpeerchain() -> the certificates of the peer, its own first. */
static int connection_getpeerchain(lua_State *L) {
  const lpb_tls_session *t = lpb_tls_session_check(L);
  X509 *own = t->server ? SSL_get0_peer_certificate(t->ssl) : NULL;
  return push_chain(L, own, SSL_get_peer_cert_chain(t->ssl));
}

/* connection:getlocalcertificate() -> the one that we show, or nil. */
static int connection_getlocalcertificate(lua_State *L) {
  return push(L, SSL_get_certificate(lpb_tls_session_check(L)->ssl));
}

/* connection:getlocalchain() -> those that we show, our own first. */
static int connection_getlocalchain(lua_State *L) {
  SSL *ssl = lpb_tls_session_check(L)->ssl;
  STACK_OF(X509) *chain = NULL;
  if (SSL_get0_chain_certs(ssl, &chain) != 1 || !chain)
    SSL_CTX_get0_chain_certs(SSL_get_SSL_CTX(ssl), &chain);
  return push_chain(L, SSL_get_certificate(ssl), chain);
}

const luaL_Reg lpb_tls_certificate_functions[] = {{"loadcertificate", tls_loadcertificate},
                                                  {NULL, NULL}};

const luaL_Reg lpb_tls_certificate_methods[] = {
    {"getpeercertificate", connection_getpeercertificate},
    {"getpeerchain", connection_getpeerchain},
    {"getlocalcertificate", connection_getlocalcertificate},
    {"getlocalchain", connection_getlocalchain},
    {NULL, NULL}};

void lpb_tls_certificate_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", certificate_gc},
                                  {"__close", certificate_gc},
                                  {"__tostring", certificate_tostring},
                                  {"__eq", certificate_eq},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {{"subject", certificate_subject},
                                     {"issuer", certificate_issuer},
                                     {"extensions", certificate_extensions},
                                     {"serial", certificate_serial},
                                     {"notbefore", certificate_notbefore},
                                     {"notafter", certificate_notafter},
                                     {"validat", certificate_validat},
                                     {"pem", certificate_pem},
                                     {"pubkey", certificate_pubkey},
                                     {"digest", certificate_digest},
                                     {"getsignaturename", certificate_getsignaturename},
                                     {"setencode", certificate_setencode},
                                     {"issued", certificate_issued},
                                     {NULL, NULL}};
  luaL_newmetatable(L, CLASS);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
