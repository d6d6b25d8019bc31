/* bindings/http/unread.h: streams that nobody reads.
 *
 * A stream that was dropped holds its place in the client until it is collected. Layer:
 * bindings. */
#ifndef LPB_HTTP_UNREAD_H
#define LPB_HTTP_UNREAD_H

#include "bindings/http/client.h"

/* Returns how many streams hold a place although no task waits for them. */
int lpb_http_unread_count(const lpb_http_client *c);

/* Lets the collector run from now on, for as long as transfers wait for a place. */
void lpb_http_unread_collect(lpb_http_client *c);

#endif
