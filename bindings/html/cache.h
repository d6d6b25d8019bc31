/* bindings/html/cache.h: queries that have been read, by their text: a script asks the same
 * ones again and again. Layer: bindings. */
#ifndef LPB_HTML_CACHE_H
#define LPB_HTML_CACHE_H

#include <lauxlib.h>
#include <stdbool.h>

/* Pushes the userdata kept for the text at index `text` and returns true; else pushes nothing.
 * `which` is the address that names a cache. */
bool lpb_html_cache_get(lua_State *L, const void *which, int text);

/* Keeps the userdata at the top, which stays there, for the text. A full cache is emptied. */
void lpb_html_cache_set(lua_State *L, const void *which, int text);

#endif
