/* bindings/redis/reader.h: replies of Redis out of bytes, by hiredis's reader. Layer: bindings.
 */
#ifndef LPB_REDIS_READER_H
#define LPB_REDIS_READER_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_redis_reader_functions[];

/* Makes the class of readers. */
void lpb_redis_reader_open(lua_State *L);

#endif
