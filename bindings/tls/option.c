/* bindings/tls/option.c: LuaSec's names for versions, options and ways of verification. An
 * option of a protocol that OpenSSL has no more is known and does nothing. Layer: bindings. */
#include "bindings/tls/option.h"

#include <openssl/ssl.h>
#include <string.h>

typedef struct named {
  const char *name;
  uint64_t value;
} named;

static const named versions[] = {
    {"any", 0},
    {"sslv23", 0},
    {"tlsv1", TLS1_VERSION},
    {"tlsv1_1", TLS1_1_VERSION},
    {"tlsv1_2", TLS1_2_VERSION},
    {"tlsv1_3", TLS1_3_VERSION},
    {NULL, 0},
};

static const named options[] = {
    {"all", SSL_OP_ALL},
    {"allow_no_dhe_kex", SSL_OP_ALLOW_NO_DHE_KEX},
    {"allow_unsafe_legacy_renegotiation", SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION},
    {"cipher_server_preference", SSL_OP_CIPHER_SERVER_PREFERENCE},
    {"cookie_exchange", SSL_OP_COOKIE_EXCHANGE},
    {"cryptopro_tlsext_bug", SSL_OP_CRYPTOPRO_TLSEXT_BUG},
    {"dont_insert_empty_fragments", SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS},
    {"enable_middlebox_compat", SSL_OP_ENABLE_MIDDLEBOX_COMPAT},
    {"ephemeral_rsa", 0},
    {"ignore_unexpected_eof", SSL_OP_IGNORE_UNEXPECTED_EOF},
    {"legacy_server_connect", SSL_OP_LEGACY_SERVER_CONNECT},
    {"microsoft_big_sslv3_buffer", 0},
    {"microsoft_sess_id_bug", 0},
    {"msie_sslv2_rsa_padding", 0},
    {"netscape_ca_dn_bug", 0},
    {"netscape_challenge_bug", 0},
    {"netscape_demo_cipher_change_bug", 0},
    {"netscape_reuse_cipher_change_bug", 0},
    {"no_anti_replay", SSL_OP_NO_ANTI_REPLAY},
    {"no_compression", SSL_OP_NO_COMPRESSION},
    {"no_encrypt_then_mac", SSL_OP_NO_ENCRYPT_THEN_MAC},
    {"no_extended_master_secret", SSL_OP_NO_EXTENDED_MASTER_SECRET},
    {"no_query_mtu", SSL_OP_NO_QUERY_MTU},
    {"no_renegotiation", SSL_OP_NO_RENEGOTIATION},
    {"no_session_resumption_on_renegotiation", SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION},
    {"no_sslv2", 0},
    {"no_sslv3", SSL_OP_NO_SSLv3},
    {"no_ticket", SSL_OP_NO_TICKET},
    {"no_tlsv1", SSL_OP_NO_TLSv1},
    {"no_tlsv1_1", SSL_OP_NO_TLSv1_1},
    {"no_tlsv1_2", SSL_OP_NO_TLSv1_2},
    {"no_tlsv1_3", SSL_OP_NO_TLSv1_3},
    {"pkcs1_check_1", 0},
    {"pkcs1_check_2", 0},
    {"prioritize_chacha", SSL_OP_PRIORITIZE_CHACHA},
    {"safari_ecdhe_ecdsa_bug", SSL_OP_SAFARI_ECDHE_ECDSA_BUG},
    {"single_dh_use", 0},
    {"single_ecdh_use", 0},
    {"ssleay_080_client_dh_bug", 0},
    {"sslref2_reuse_cert_type_bug", 0},
    {"tls_block_padding_bug", 0},
    {"tls_d5_bug", 0},
    {"tls_rollback_bug", SSL_OP_TLS_ROLLBACK_BUG},
    {"tlsext_padding", SSL_OP_TLSEXT_PADDING},
    {NULL, 0},
};

static const named verify[] = {
    {"none", SSL_VERIFY_NONE},
    {"peer", SSL_VERIFY_PEER},
    {"client_once", SSL_VERIFY_CLIENT_ONCE},
    {"fail_if_no_peer_cert", SSL_VERIFY_FAIL_IF_NO_PEER_CERT},
    {NULL, 0},
};

static const named flags_of[] = {
    {"crl_check", X509_V_FLAG_CRL_CHECK},
    {"crl_check_chain", X509_V_FLAG_CRL_CHECK_ALL},
    {NULL, 0},
};

static const named lenient_of[] = {
    {"lsec_continue", LPB_TLS_OPTION_CONTINUE},
    {"lsec_ignore_purpose", LPB_TLS_OPTION_IGNORE_PURPOSE},
    {NULL, 0},
};

static const named *find(const named *list, const char *name) {
  while (list->name && strcmp(list->name, name) != 0) list++;
  return list->name ? list : NULL;
}

bool lpb_tls_option_version(const char *name, int *version) {
  const named *found = find(versions, name);
  if (found) *version = (int)found->value;
  return found != NULL;
}

bool lpb_tls_option_named(const char *name, uint64_t *all) {
  const named *found = find(options, name);
  if (found) *all |= found->value;
  return found != NULL;
}

bool lpb_tls_option_verify(const char *name, int *mode) {
  const named *found = find(verify, name);
  if (found) *mode |= (int)found->value;
  return found != NULL;
}

bool lpb_tls_option_verifyext(const char *name, unsigned long *flags, unsigned *lenient) {
  const named *flag = find(flags_of, name), *part = find(lenient_of, name);
  if (flag) *flags |= (unsigned long)flag->value;
  if (part) *lenient |= (unsigned)part->value;
  return flag || part;
}

static void push_names(lua_State *L, const named *list) {
  lua_newtable(L);
  for (; list->name; list++) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, list->name);
  }
}

void lpb_tls_option_push(lua_State *L) {
  push_names(L, versions);
  push_names(L, options);
}
