/* counted/counted.c: which functions stand in for which, and os.date. Layer: counted. */
#include "runtime/counted/counted.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "runtime/counted/access.h"
#include "runtime/counted/string.h"
#include "runtime/counted/table.h"
#include "runtime/counted/utf8.h"

enum { MOST_DATE = 1000 }; /* bytes of a format, which is read in one go */

static int os_date(lua_State *L) {
  size_t len = 0;
  luaL_optlstring(L, 1, "", &len);
  luaL_argcheck(L, len <= MOST_DATE, 1, "the format is longer than 1000 bytes");
  return lp_access_standard(L);
}

static const luaL_Reg os_functions[] = {{"date", os_date}, {NULL, NULL}};

static const struct {
  const char *name;
  const luaL_Reg *functions;
} libraries[] = {{LUA_STRLIBNAME, lp_string_functions},
                 {LUA_TABLIBNAME, lp_table_functions},
                 {LUA_UTF8LIBNAME, lp_utf8_functions},
                 {LUA_OSLIBNAME, os_functions}};

/* Stack: the library. Upvalue 1 of ours is the standard function. */
static void replace(lua_State *L, const luaL_Reg *f) {
  for (; f->name; f++) {
    lua_getfield(L, -1, f->name);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, -2, f->name);
  }
}

void lp_counted_replace(lua_State *L, const char *library) {
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (strcmp(libraries[i].name, library) == 0) replace(L, libraries[i].functions);
}

void lp_counted_open(lua_State *L) {
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    if (lua_getglobal(L, libraries[i].name) == LUA_TTABLE) replace(L, libraries[i].functions);
    lua_pop(L, 1);
  }
}
