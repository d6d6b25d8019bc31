/* bindings/html/xpath.h: XPath queries on nodes. Layer: bindings. */
#ifndef LPB_HTML_XPATH_H
#define LPB_HTML_XPATH_H

#include <lauxlib.h>

/* Methods of nodes. */
extern const luaL_Reg lpb_html_xpath_methods[];

#endif
