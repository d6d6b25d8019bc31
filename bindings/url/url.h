/* bindings/url/url.h: URLs by RFC 3986: references are resolved, and brought into one form.
 *
 * The functions write into memory of the caller, so they cannot fail for want of it. Layer:
 * bindings; any process. */
#ifndef LPB_URL_URL_H
#define LPB_URL_URL_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes lpb_url_normal needs for a text of `len` bytes, and lpb_url_resolve for the
 * lengths of both texts together. */
#define LPB_URL_ROOM(len) (9 * (len) + 32)

/* A URL in normal form, in the caller's memory. */
typedef struct lpb_url {
  const char *text;
  size_t len;
  /* Of the scheme, with which `text` begins. */
  size_t scheme_len;
  /* The name or address, in small letters. */
  const char *host;
  size_t host_len;
  /* The same with its port, unless that is the scheme's own; it begins at `host`. */
  size_t authority_len;
} lpb_url;

/* The normal form of an absolute URL: scheme and host in small letters, no default port, no dot
 * segments, "/" for the empty path, no empty query, %XX only where it is needed and in
 * capitals. The fragment is dropped unless `fragment` is set. Returns false for what is no URL
 * with a host. */
bool lpb_url_normal(const char *text, size_t len, bool fragment, char *room, lpb_url *out);

/* Whether the normal form of a reference is the same in any page, and so without resolving it:
 * it has scheme and host, and no %XX that could be a dot. */
bool lpb_url_stands_alone(const char *text, size_t len);

/* The URL that the reference means in a page at `base`, by RFC 3986 section 5.2. Bytes that no
 * URL may hold are escaped first, as browsers do; white space around it is dropped. Returns
 * where the result stands in `room`. */
const char *lpb_url_resolve(const char *text, size_t len, const char *base, size_t base_len,
                            char *room, size_t *out_len);

#endif
