/* bindings/html/xpath.h: XPath queries on nodes. Layer: bindings. */
#ifndef LPB_HTML_XPATH_H
#define LPB_HTML_XPATH_H

#include <lauxlib.h>
#include <stdbool.h>

#include "bindings/html/node.h"

/* Functions of the module. */
extern const luaL_Reg lpb_html_xpath_functions[];

/* Makes the class of compiled queries. */
void lpb_html_xpath_open(lua_State *L);

/* Makes what queries on this document need, unless it is there: doc->xpath. False for want of
 * memory. */
bool lpb_html_xpath_prepare(lpb_html_node_doc *doc);

#endif
