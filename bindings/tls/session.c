/* bindings/tls/session.c: TLS on a socket. OpenSSL reads from the descriptor and writes into
 * memory, from where the bytes are sent at once, or by the socket's poll when there is room
 * again. So reading never waits until it can write, what was encrypted goes out even when its
 * task was cancelled, and key updates and renegotiations are answered while nobody sends. Only
 * a write during a renegotiation waits until it can read. Nothing is left in OpenSSL between
 * two calls that the descriptor does not tell of: whole records are taken out.
 *
 * All but lpb_tls_session_check run in callbacks of the loop, too: they touch no Lua value.
 * Layer: bindings. */
#include "bindings/tls/session.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bindings/socket/class.h"
#include "bindings/socket/tcp.h"
#include "bindings/tls/error.h"
#include "bindings/tls/option.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

#ifdef LP_TINY
enum { PIECE = 5, MOST = 1 << 20 };
#else
enum {
  PIECE = 64 << 10, /* bytes that are encrypted before they are sent */
  MOST = 1 << 20,   /* bytes of one step, so that others have their turn */
};
#endif

lpb_tls_session *lpb_tls_session_check(lua_State *L) {
  return lpb_socket_class_check(L, LPB_SOCKET_TLS)->session;
}

/* ---- callbacks of OpenSSL ---- */

/* Is a certificate good enough? */
static int verify(int good, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  lpb_tls_session *t = SSL_get_app_data(ssl);
  int code = X509_STORE_CTX_get_error(store), most = sizeof t->faults / sizeof *t->faults;
  if (good) return 1;
  if (code == X509_V_ERR_INVALID_PURPOSE && (t->lenient & LPB_TLS_OPTION_IGNORE_PURPOSE))
    return 1;
  if (!(t->lenient & LPB_TLS_OPTION_CONTINUE)) return 0;
  if (t->fault_count < most) {
    t->faults[t->fault_count].depth = X509_STORE_CTX_get_error_depth(store);
    t->faults[t->fault_count++].code = code;
  }
  return 1;
}

/* A client has said the name of the server that it wants. */
static int choose_name(SSL *ssl, int *alert, void *unused) {
  (void)unused;
  const lpb_tls_session *t = SSL_get_app_data(ssl);
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  for (int i = 0; name && i < t->name_count; i++) {
    if (strcasecmp(t->names[i].name, name) != 0) continue;
    SSL_set_SSL_CTX(ssl, t->names[i].ssl);
    return SSL_TLSEXT_ERR_OK;
  }
  if (t->names && t->strict) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

/* A client has said which protocols it speaks. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                       const unsigned char *in, unsigned in_len, void *unused) {
  (void)unused;
  const lpb_tls_session *t = SSL_get_app_data(ssl);
  if (t->alpn.len == 0) return SSL_TLSEXT_ERR_NOACK;
  int rc = SSL_select_next_proto((unsigned char **)out, len, (const void *)t->alpn.data,
                                 (unsigned)t->alpn.len, in, in_len);
  return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void lpb_tls_session_serve(SSL_CTX *context) {
  SSL_CTX_set_tlsext_servername_callback(context, choose_name);
  SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
}

/* ---- sending ---- */

static bool tls_pending(const lpb_socket *s) {
  const lpb_tls_session *t = s->session;
  return s->fd >= 0 && BIO_ctrl_pending(t->out) > 0;
}

/* Takes the first n bytes out of the memory that OpenSSL has written to. */
static void drop(lpb_tls_session *t, size_t n) {
  char unused[4096];
  while (n > 0) {
    int taken = BIO_read(t->out, unused, (int)(n < sizeof unused ? n : sizeof unused));
    if (taken <= 0) return;
    n -= (size_t)taken;
  }
}

/* Nothing can be sent any more: nobody waits for it. */
static int give_up(lpb_tls_session *t, int code) {
  (void)BIO_reset(t->out);
  return t->broken = code;
}

static int tls_flush(lpb_socket *s) {
  lpb_tls_session *t = s->session;
  if (t->broken) return t->broken;
  for (;;) {
    char *bytes;
    long len = BIO_get_mem_data(t->out, &bytes);
    if (len <= 0) return 0;
    ssize_t n = send(s->fd, bytes, (size_t)len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? UV_EAGAIN : give_up(t, -errno);
    drop(t, (size_t)n);
  }
}

/* ---- every call of OpenSSL ---- */

/* Call it before. */
static SSL *begin(lpb_socket *s) {
  lpb_tls_session *t = s->session;
  if (t->fd != s->fd) BIO_set_fd(t->in, t->fd = s->fd, BIO_NOCLOSE);
  ERR_clear_error();
  errno = 0;
  return t->ssl;
}

/* Call it behind, with what the call has returned, below 1: the code. Sends what OpenSSL has to
 * say about it, an alert. */
static int code_of(lpb_socket *s, int rc) {
  lpb_tls_session *t = s->session;
  int number = errno, code;
  switch (SSL_get_error(t->ssl, rc)) {
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE: code = UV_EAGAIN; break;
  case SSL_ERROR_ZERO_RETURN: code = LP_ECLOSED; break;
  case SSL_ERROR_SYSCALL: code = number ? -number : lpb_tls_error_code(); break;
  default: code = lpb_tls_error_code();
  }
  ERR_clear_error();
  tls_flush(s);
  return code;
}

/* ---- the layer ---- */

static int tls_fill(lpb_socket *s, size_t most) {
  lpb_tls_session *t = s->session;
  SSL *ssl = begin(s);
  bool began = SSL_in_init(ssl);
  size_t before = s->in.len;
  int n, rc = 0;
  do {
    if (lp_buf_reserve(&s->in, most) < 0) return s->in.len > before ? 0 : LP_EMEMORY;
    n = SSL_read(ssl, s->in.data + s->in.len, (int)most);
    if (n <= 0) break;
    s->in.len += (size_t)n;
    s->received += n;
    most = (size_t)SSL_pending(ssl);
  } while (most > 0);
  if (n <= 0) rc = code_of(s, n);
  if (tls_pending(s)) tls_flush(s);
  if (began && !SSL_in_init(t->ssl)) lpb_socket_retry(s, LPB_SOCKET_WRITE);
  return s->in.len > before ? 0 : rc;
}

static int tls_send(lpb_socket *s, lpb_socket_want *w) {
  size_t begun = w->done;
  for (;;) {
    int rc = tls_flush(s);
    if (rc < 0 || w->done == w->len) return rc;
    if (w->done > begun + MOST) return UV_EAGAIN;
    size_t rest = w->len - w->done;
    int n = SSL_write(begin(s), w->data + w->done, (int)(rest < PIECE ? rest : PIECE));
    if (n <= 0) {
      rc = code_of(s, n);
      if (rc == UV_EAGAIN) w->polls = LPB_SOCKET_READ;
      return rc;
    }
    w->moved = true;
    w->done += (size_t)n;
    s->sent += n;
  }
}

int lpb_tls_session_handshake(lpb_socket *s, lpb_socket_want *w) {
  int rc = SSL_do_handshake(begin(s));
  if (rc <= 0) return code_of(s, rc);
  rc = tls_flush(s);
  if (rc == UV_EAGAIN) w->polls = LPB_SOCKET_WRITE;
  lpb_socket_retry(s, LPB_SOCKET_WRITE);
  return rc;
}

/* Says goodbye when the handshake is done and nothing has failed; does not wait. */
static void tls_close(lpb_socket *s) {
  lpb_tls_session *t = s->session;
  SSL *ssl = begin(s);
  if (!t->broken && !SSL_in_init(ssl)) SSL_shutdown(ssl);
  tls_flush(s);
  ERR_clear_error();
}

static void tls_free(lpb_socket *s) {
  lpb_tls_session *t = s->session;
  SSL_free(t->ssl);
  for (int i = 0; i < t->name_count; i++) SSL_CTX_free(t->names[i].ssl);
  lp_alloc_free(t->names);
  lp_buf_close(&t->alpn);
  lp_alloc_free(t);
}

static const lpb_socket_layer layer = {.fill = tls_fill,
                                       .send = tls_send,
                                       .pending = tls_pending,
                                       .flush = tls_flush,
                                       .close = tls_close,
                                       .free = tls_free};

static int open_ssl(lpb_tls_session *t, SSL_CTX *context) {
  t->in = BIO_new_socket(-1, BIO_NOCLOSE);
  t->out = BIO_new(BIO_s_mem());
  t->ssl = t->in && t->out ? SSL_new(context) : NULL;
  if (!t->ssl) {
    BIO_free(t->in);
    BIO_free(t->out);
    ERR_clear_error();
    return LP_EMEMORY;
  }
  SSL_set_bio(t->ssl, t->in, t->out);
  SSL_set_app_data(t->ssl, t);
  SSL_set_verify(t->ssl, SSL_get_verify_mode(t->ssl), verify);
  if (!t->server) {
    SSL_set_connect_state(t->ssl);
    return 0;
  }
  lpb_tls_session_serve(context);
  SSL_set_accept_state(t->ssl);
  return 0;
}

int lpb_tls_session_attach(lpb_socket *s, const lpb_tls_context *c) {
  lpb_tls_session *t = lp_alloc_new(sizeof *t);
  if (!t) return LP_EMEMORY;
  t->fd = -1;
  t->server = c->server;
  t->lenient = c->lenient;
  int rc = lp_buf_append(&t->alpn, c->alpn.data, c->alpn.len);
  if (rc == 0) rc = open_ssl(t, c->ssl);
  if (rc < 0) {
    lp_buf_close(&t->alpn);
    lp_alloc_free(t);
    return rc;
  }
  s->session = t;
  s->layer = &layer;
  return 0;
}
