/* bindings/socket/option.h: setoption and getoption of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_OPTION_H
#define LPB_SOCKET_OPTION_H

#include <lauxlib.h>

/* Methods of all classes. */
extern const luaL_Reg lpb_socket_option_methods[];

#endif
