/* bindings/pool/call.h: apply and submit. Layer: bindings. Process: main. */
#ifndef LPB_POOL_CALL_H
#define LPB_POOL_CALL_H

#include <lauxlib.h>

/* Methods of pools. */
extern const luaL_Reg lpb_pool_call_methods[];

#endif
