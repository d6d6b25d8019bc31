/* bindings/fs/fs.h: what open.c registers from the other files of this folder. Layer: bindings.
 */
#ifndef LP_BINDINGS_FS_FS_H
#define LP_BINDINGS_FS_FS_H

#include <lua.h>

/* Both stand in claim.c. */
int lpb_fs_claim(lua_State *L);
int lpb_fs_realpath(lua_State *L);

#endif
