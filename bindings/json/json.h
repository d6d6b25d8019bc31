/* bindings/json/json.h: what the two halves of luapool.json share. Layer: bindings. */
#ifndef LP_BINDINGS_JSON_JSON_H
#define LP_BINDINGS_JSON_JSON_H

#include <lua.h>

/* Deeper values are refused both ways; jansson's own limit. */
#define LP_JSON_DEPTH 2048

/* Registry keys: their addresses stand for json.null and for the metatable of marked lists. */
extern const char lpb_json_null;
extern const char lpb_json_array;

/* json.core.encode(value, indent, sort_keys) -> text. `indent` is a number of columns or nil.
 */
int lpb_json_encode(lua_State *L);

#endif
