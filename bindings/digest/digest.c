/* bindings/digest/digest.c: digests of bytes that come piece by piece, by libcrypto. Layer:
 * bindings; any process, any thread. */
#include "bindings/digest/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/error.h"

const char *const lpb_digest_names[] = {"md5",        "sha1",       "sha224",   "sha256",
                                        "sha384",     "sha512",     "sha3-256", "sha3-512",
                                        "blake2b512", "blake2s256", NULL};

static bool is_known(const char *name) {
  for (const char *const *known = lpb_digest_names; *known; known++)
    if (strcmp(*known, name) == 0) return true;
  return false;
}

int lpb_digest_open(lpb_digest *d, const char *name) {
  const EVP_MD *kind = is_known(name) ? EVP_get_digestbyname(name) : NULL;
  if (!kind) return -EINVAL;
  d->context = EVP_MD_CTX_new();
  if (!d->context) return LP_EMEMORY;
  if (EVP_DigestInit_ex(d->context, kind, NULL)) return 0;
  lpb_digest_close(d);
  return -ENOTSUP;
}

int lpb_digest_update(lpb_digest *d, const void *bytes, size_t n) {
  return EVP_DigestUpdate(d->context, bytes, n) ? 0 : LP_EMEMORY;
}

int lpb_digest_raw(const lpb_digest *d, unsigned char *out, size_t *len) {
  EVP_MD_CTX *copy = EVP_MD_CTX_new();
  unsigned n = 0;
  bool ok = copy && EVP_MD_CTX_copy_ex(copy, d->context) && EVP_DigestFinal_ex(copy, out, &n);
  EVP_MD_CTX_free(copy);
  *len = n;
  return ok ? 0 : LP_EMEMORY;
}

void lpb_digest_to_hex(const void *bytes, size_t n, char *out) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *from = bytes;
  for (size_t i = 0; i < n; i++) {
    *out++ = digits[from[i] >> 4];
    *out++ = digits[from[i] & 15];
  }
}

int lpb_digest_hex(const lpb_digest *d, char *out) {
  unsigned char raw[LPB_DIGEST_MOST];
  size_t n;
  int rc = lpb_digest_raw(d, raw, &n);
  if (rc < 0) return rc;
  lpb_digest_to_hex(raw, n, out);
  out[2 * n] = 0;
  return 0;
}

void lpb_digest_close(lpb_digest *d) {
  EVP_MD_CTX_free(d->context);
  d->context = NULL;
}
