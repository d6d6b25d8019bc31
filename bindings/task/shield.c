/* bindings/task/shield.c: task.shield. A cancellation of the task waits while the function of
 * the shield runs. Layer: bindings. */
#include "bindings/task/shield.h"

#include <lauxlib.h>

#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

/* A shield is left by closing a variable and not by catching errors, so that a traceback is
 * taken where an error is raised, and a coroutine that is closed inside leaves it too. */
static int unshield(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (t && t->shield > 0) t->shield--;
  return 0;
}

static int finish_shield(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L) - 1;
}

/* Calls fn(...) and returns its results. While it runs, the cancellation of the task waits.
 *
 * ```lua
 * local saved
 * local one = task.spawn(task.shield, function()
 *   task.sleep(0.02)
 *   saved = true
 * end)
 * task.sleep(0)
 * one:cancel()
 * one:result()
 * print(saved) --> true
 * ```
 * @function task.shield
 * @async
 * @param fn function
 * @param ... any its arguments
 * @return any ... what fn returns */
static int task_shield(lua_State *L) {
  lp_usage_callable(L, 1, "task.shield");
  lp_task *t = lp_state_of(L)->current;
  if (!t) return lp_usage_raise(L, "task.shield", "no task is running");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_toclose(L, 1);
  t->shield++;
  lua_callk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, finish_shield);
  return finish_shield(L, LUA_OK, 0);
}

void lpb_task_shield_push(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, unshield);
  lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, task_shield, 1);
  lp_state_of(L)->shield = task_shield;
}
