/* bindings/fs/lock.h: locks of files, for luapool.lock. Layer: bindings. */
#ifndef LPB_FS_LOCK_H
#define LPB_FS_LOCK_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_fs_lock_functions[];

/* Makes the class of locks. */
void lpb_fs_lock_open(lua_State *L);

#endif
