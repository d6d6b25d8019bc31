/* bindings/fs/watch.h: waiting until a file changes. Layer: bindings. */
#ifndef LPB_FS_WATCH_H
#define LPB_FS_WATCH_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_fs_watch_functions[];

/* Makes the class. */
void lpb_fs_watch_open(lua_State *L);

#endif
