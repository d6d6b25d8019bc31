/* counted/sort.h: table.sort that counts its steps. Layer: counted. */
#ifndef LP_COUNTED_SORT_H
#define LP_COUNTED_SORT_H

#include <lua.h>

/* table.sort(list [, less]). */
int lp_sort(lua_State *L);

#endif
