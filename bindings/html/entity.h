/* bindings/html/entity.h: character references of HTML5, as text. Layer: bindings. */
#ifndef LPB_HTML_ENTITY_H
#define LPB_HTML_ENTITY_H

#include <stdbool.h>
#include <stddef.h>

enum { LPB_HTML_ENTITY_MAX = 8 };

/* Reads the character reference at `p`, which is "&". Returns how many bytes of the page it is
 * and writes its text in UTF-8, at most LPB_HTML_ENTITY_MAX bytes, and its length. Returns 0
 * where there is none: "&" stands for itself there. In an attribute, a name without semicolon
 * is none before "=", letters and digits, so that "?a=1&copy=2" stays. */
size_t lpb_html_entity_read(const char *p, const char *end, bool in_attribute, char *text,
                            size_t *len);

/* Finds the text of a name, "eacute", and its length. NULL for an unknown one. */
const char *lpb_html_entity_find(const char *name, size_t name_len, size_t *len);

#endif
