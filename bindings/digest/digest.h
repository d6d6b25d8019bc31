/* bindings/digest/digest.h: digests of bytes that come piece by piece, by libcrypto.
 *
 *     lpb_digest d = {0};
 *     int rc = lpb_digest_open(&d, "sha256");
 *     if (rc == 0) rc = lpb_digest_update(&d, bytes, n);   as often as bytes come
 *     if (rc == 0) rc = lpb_digest_hex(&d, text);
 *     lpb_digest_close(&d);
 *
 * Nothing here touches Lua or the loop, so a thread may use a digest that is its own. Layer:
 * bindings. Owner: whoever holds the struct; a zeroed one is closed. */
#ifndef LPB_DIGEST_DIGEST_H
#define LPB_DIGEST_DIGEST_H

#include <stddef.h>

/* The longest digest in bytes, and as a hexadecimal text with its zero byte. */
enum { LPB_DIGEST_MOST = 64, LPB_DIGEST_TEXT = 2 * LPB_DIGEST_MOST + 1 };

typedef struct lpb_digest {
  struct evp_md_ctx_st *context;
} lpb_digest;

/* The names of the digests that there are, in lower case; NULL ends the list. */
extern const char *const lpb_digest_names[];

/* Begins a digest. Returns 0; -EINVAL when there is no digest of this name; LP_EMEMORY;
 * -ENOTSUP when libcrypto of this system refuses it. */
int lpb_digest_open(lpb_digest *d, const char *name);

/* Adds bytes. Returns 0 or LP_EMEMORY. */
int lpb_digest_update(lpb_digest *d, const void *bytes, size_t n);

/* Writes the digest of all bytes so far into `out`, of LPB_DIGEST_MOST bytes, and its length
 * into `*len`. The digest may go on. Returns 0 or LP_EMEMORY. */
int lpb_digest_raw(const lpb_digest *d, unsigned char *out, size_t *len);

/* Writes the same as hexadecimal text into `out`, of LPB_DIGEST_TEXT bytes. */
int lpb_digest_hex(const lpb_digest *d, char *out);

/* Writes 2 * n hexadecimal digits, in lower case, and no zero byte. */
void lpb_digest_to_hex(const void *bytes, size_t n, char *out);

/* Gives the memory back. Safe twice, and on a zeroed struct. */
void lpb_digest_close(lpb_digest *d);

#endif
