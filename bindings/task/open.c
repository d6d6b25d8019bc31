/* bindings/task/open.c: luapool.task.core. The combinators (gather, group, timeout …) stand on
 * it in scripts/luapool/task.lua. Layer: bindings. */
#include <string.h>

#include "bindings/bindings.h"
#include "bindings/task/done.h"
#include "bindings/task/list.h"
#include "bindings/task/locals.h"
#include "bindings/task/set.h"
#include "bindings/task/shield.h"
#include "bindings/task/task.h"
#include "runtime/loop/task.h"

/* Finds a method, or one of two fields: `args`, of a future, and `attempt`, which counts the
 * runs of a pool's task. */
static int task_index(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lp_task *t = lp_task_check(L, 1);
  const char *key = lua_tostring(L, 2);
  if (key && strcmp(key, "args") == 0)
    lp_task_field(L, 1, LP_TASK_ARGS);
  else if (key && strcmp(key, "attempt") == 0)
    lua_pushinteger(L, t->attempt);
  return 1;
}

/* Stack: the module, which gets the methods for those that are written in Lua. */
static void open_methods(lua_State *L) {
  luaL_getmetatable(L, "luapool.Task");
  lua_newtable(L);
  luaL_setfuncs(L, lpb_task_methods, 0);
  luaL_setfuncs(L, lpb_task_done_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, task_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_luapool_task_core(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, lpb_task_functions, 0);
  luaL_setfuncs(L, lpb_task_list_functions, 0);
  luaL_setfuncs(L, lpb_task_set_functions, 0);
  lpb_task_set_open(L);
  lpb_task_locals_push(L);
  lua_setfield(L, -2, "locals");
  lpb_task_shield_push(L);
  lua_setfield(L, -2, "shield");
  open_methods(L);
  return 1;
}
