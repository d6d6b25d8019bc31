/* bindings/html/charset.h: text of any charset to UTF-8. Layer: bindings. */
#ifndef LPB_HTML_CHARSET_H
#define LPB_HTML_CHARSET_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_html_charset_functions[];

#endif
