/* bindings/html/serialize.h: nodes as markup. Layer: bindings. */
#ifndef LPB_HTML_SERIALIZE_H
#define LPB_HTML_SERIALIZE_H

#include <lauxlib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* Pushes the markup of a node, with `outer` its own tags too. It stops behind about `most`
 * bytes; false is returned then. */
bool lpb_html_serialize_push(lua_State *L, xmlNode *node, bool outer, size_t most);

#endif
