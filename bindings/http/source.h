/* bindings/http/source.h: a body, or a part of a form, that a Lua function makes piece by piece
 * while the request runs.
 *
 * A task puts pieces in; curl takes bytes out and pauses while there are none. The first bytes
 * are kept for the case that curl has to begin anew. Layer: bindings. Owner: the Lua object and
 * the transfer together, by `refs`. */
#ifndef LPB_HTTP_SOURCE_H
#define LPB_HTTP_SOURCE_H

#include <curl/curl.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/loop/op.h"

typedef struct lpb_http_source {
  /* Its place in the list of the transfer that sends it. */
  lp_list link;
  int refs;
  /* The transfer that sends it; NULL before it begins and when it has ended. */
  void *transfer;
  /* Called with the transfer when there is a piece that curl waits for. */
  void (*resume)(void *transfer);
  /* The task that waits until there is room, or NULL. */
  lp_op *writer;
  lp_buf bytes;
  /* The index in `bytes` of the next byte that curl takes. */
  size_t next;
  /* Bytes in front of `bytes` were thrown away. */
  bool passed;
  /* No more pieces will come. */
  bool ended;
  /* The body cannot be completed. */
  bool failed;
  /* curl waits for a piece. */
  bool starved;
} lpb_http_source;

/* Returns the source at the stack index; raises when it is none. */
lpb_http_source *lpb_http_source_at(lua_State *L, int index);

/* Ties it to the transfer that sends it, puts it into the transfer's list and adds a reference.
 */
void lpb_http_source_begin(lpb_http_source *s, lp_list *list, void (*resume)(void *transfer),
                           void *transfer);

/* The transfer is done with it: the task that waits is woken. Gives the reference back. */
void lpb_http_source_end(lpb_http_source *s);

/* For CURLOPT_READFUNCTION and CURLOPT_SEEKFUNCTION. `of` is the source. */
size_t lpb_http_source_read(char *to, size_t size, size_t n, void *of);
int lpb_http_source_seek(void *of, curl_off_t offset, int origin);

/* core.source_new() -> source, with the methods put, finish and fail. */
int lpb_http_source_new(lua_State *L);

/* Makes the class of the Lua objects. */
void lpb_http_source_open(lua_State *L);

#endif
