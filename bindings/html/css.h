/* bindings/html/css.h: CSS selectors asked of nodes. Layer: bindings. */
#ifndef LPB_HTML_CSS_H
#define LPB_HTML_CSS_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_html_css_functions[];

/* Makes the class of selectors. */
void lpb_html_css_open(lua_State *L);

#endif
