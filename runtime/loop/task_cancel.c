/* loop/task_cancel.c: a task is asked to end, as a whole or for one of its scopes, and is told
 * so by an error. Layer: loop. */
#include "runtime/loop/task.h"

bool lp_task_cancel(lua_State *L, lp_task *t) {
  if (lp_task_ended(t) || (t->cancelled && !t->revocable)) {
    lua_pop(L, 1);
    return !lp_task_ended(t);
  }
  lp_task_object(L, t);
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_REASON);
  lua_pop(L, 1);
  if (t->co) return lp_task_stop(t);
  if (lp_task_ended(t)) return false; /* a promise: a finalizer may have settled it */
  t->cancelled = true;
  lp_task_error_push_cancelled(L, t);
  return lp_task_settle(L, t, false, 1);
}

void lp_task_cancel_scope(lua_State *L, lp_task *t) {
  if (t->cancelled)
    lua_pop(L, 1);
  else
    t->revocable = lp_task_cancel(L, t);
}

void lp_task_cancel_revoke(lp_task *t) {
  if (!t->revocable) return;
  t->cancelled = t->revocable = t->told = t->unwinding = false;
  t->overruns = 0;
}

int lp_task_cancel_raise(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  t->told = t->unwinding = true;
  lp_task_error_push_cancelled(L, t);
  return lua_error(L);
}

bool lp_task_cancel_overruns(lp_task *t, bool stuck) {
  if (!t->cancelled || t->shield || t->unwinding) return false;
  if (!t->told) return true;
  if (t->overruns < LP_TASK_MOST_OVERRUNS) t->overruns++;
  return stuck && t->overruns == LP_TASK_MOST_OVERRUNS;
}
