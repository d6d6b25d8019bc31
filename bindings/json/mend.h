/* bindings/json/mend.h: JSON texts that jansson refuses for the sake of a number or a
 * surrogate. Layer: bindings. */
#ifndef LPB_JSON_MEND_H
#define LPB_JSON_MEND_H

#include <stdbool.h>
#include <stddef.h>

/* Changes a text in place, so that it can be read and every place in it stays where it was: a
 * surrogate without its other half becomes U+FFFD; with `numbers`, an integer beyond 64 bits is
 * written as a float, and a number beyond all floats as `*infinity`, a number that the text
 * does not hold otherwise (0 when there is none). `text` ends with a zero byte at `len`.
 * Returns whether anything has changed. */
bool lpb_json_mend(char *text, size_t len, bool numbers, double *infinity);

#endif
