/* bindings/gzip/gunzip.h: gzip files as a whole. Layer: bindings. */
#ifndef LPB_GZIP_GUNZIP_H
#define LPB_GZIP_GUNZIP_H

#include <lua.h>

/* core.gunzip(bytes, most) -> what is compressed in them. */
int lpb_gzip_gunzip(lua_State *L);

#endif
