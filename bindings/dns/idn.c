/* bindings/dns/idn.c: international host names, on libidn2. libcurl's own conversion takes the
 * name to be in the charset of the locale. Layer: bindings. */
#include "bindings/dns/idn.h"

#include <idn2.h>
#include <string.h>

#include "runtime/base/error.h"

bool lpb_dns_idn_needed(const char *name) {
  for (; *name; name++)
    if ((unsigned char)*name >= 0x80) return true;
  return false;
}

int lpb_dns_idn_encode(const char *name, lp_buf *out) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_.";
  uint8_t *ascii = NULL;
  int rc = idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (rc == IDN2_MALLOC) return LP_EMEMORY;
  if (rc != IDN2_OK) return LP_ECORRUPT;
  /* The mapping may make a slash or a colon of another character. */
  const char *text = (const char *)ascii;
  size_t len = strlen(text);
  rc = strspn(text, allowed) == len ? lp_buf_append(out, text, len + 1) : LP_ECORRUPT;
  idn2_free(ascii);
  return rc;
}
