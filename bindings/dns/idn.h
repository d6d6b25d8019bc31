/* bindings/dns/idn.h: international host names, in any locale. Layer: bindings. */
#ifndef LPB_DNS_IDN_H
#define LPB_DNS_IDN_H

#include <stdbool.h>

#include "runtime/base/buf.h"

/* Tells whether a name has bytes beyond ASCII. */
bool lpb_dns_idn_needed(const char *name);

/* Appends the name as DNS has it ("xn--…", as IDNA 2008 and UTS 46 say), with a final zero.
 * Returns 0, LP_EMEMORY, or LP_ECORRUPT when the name is not UTF-8 or may not be a host's. */
int lpb_dns_idn_encode(const char *name, lp_buf *out);

#endif
