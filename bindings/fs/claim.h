/* bindings/fs/claim.h: a file that one process alone writes. Layer: bindings. */
#ifndef LPB_FS_CLAIM_H
#define LPB_FS_CLAIM_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_fs_claim_functions[];

#endif
