/* bindings/html/charset.h: text of any charset to UTF-8. Layer: bindings. */
#ifndef LP_BINDINGS_HTML_CHARSET_H
#define LP_BINDINGS_HTML_CHARSET_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_html_charset_functions[];

#endif
