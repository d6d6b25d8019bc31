/* bindings/fs/claim.h: a file that one process alone writes. Layer: bindings. */
#ifndef LPB_FS_CLAIM_H
#define LPB_FS_CLAIM_H

#include <lauxlib.h>

/* Opens the file for writing, makes it where there is none, and locks it. Returns a descriptor,
 * or -1 with errno: EWOULDBLOCK when another process has claimed it. */
int lpb_fs_claim_open(const char *path);

/* Functions of the module. */
extern const luaL_Reg lpb_fs_claim_functions[];

#endif
