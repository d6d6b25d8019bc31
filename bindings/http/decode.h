/* bindings/http/decode.h: the body of a response without its Content-Encoding: gzip, deflate,
 * br, zstd, and chains of them.
 *
 * A decoder works in pieces. However far a body expands, one call of lpb_http_decode_read makes
 * no more than its caller has room for and does no more than a fixed amount of work, so that
 * the caller can measure what comes and let others run meanwhile. No function here touches Lua
 * or curl. Layer: bindings. Owner: a transfer. */
#ifndef LPB_HTTP_DECODE_H
#define LPB_HTTP_DECODE_H

#include <stddef.h>
#include <stdint.h>

typedef struct lpb_http_decode lpb_http_decode;

/* Makes the decoder for the value of a Content-Encoding header, in which the coding that was
 * applied last stands last. *out is NULL when there is nothing to decode. Returns 0, 1 when a
 * coding is unknown (then *out is NULL, too), LP_EMEMORY, or LP_ECORRUPT when there are more
 * codings than any honest server sends. */
int lpb_http_decode_open(lpb_http_decode **out, const char *codings, size_t len);

/* Decodes some of the `*left` bytes at `*in`, which both move on, to at most `room` bytes at
 * `out`; `*made` is how many. Returns 0 when all input is used up and nothing more comes out of
 * it, 1 when the caller is to call again, LP_EMEMORY, or LP_ECORRUPT when the input is damaged.
 */
int lpb_http_decode_read(lpb_http_decode *d, const char **in, size_t *left, char *out,
                         size_t room, size_t *made);

/* Returns 0 when the input may end here, LP_ECORRUPT when it ends too early. */
int lpb_http_decode_finish(const lpb_http_decode *d);

/* Returns how many bytes the coding that expands most has made so far: between two codings
 * there may be more bytes than behind the last. */
uint64_t lpb_http_decode_most(const lpb_http_decode *d);

/* Gives everything back. NULL is fine. */
void lpb_http_decode_close(lpb_http_decode *d);

#endif
