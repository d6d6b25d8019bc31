/* bindings/sync/ask.c: a worker asks main for methods of the objects of luapool.sync. Layer:
 * bindings. Process: workers; core.in_worker is also called in main. */
#include "bindings/sync/ask.h"

#include "runtime/loop/state.h"
#include "runtime/pool/protocol.h"
#include "runtime/worker/ask.h"

/* core.ask(object, holder, method, ...) -> its results, from main. Waits. */
static int sync_ask(lua_State *L) {
  return lp_ask(L);
}

/* core.post(object, holder, method, ...). The same without results, and without a wait. */
static int sync_post(lua_State *L) {
  lp_ask_post(L);
  return 0;
}

/* core.in_worker() -> bool. Is main another process? */
static int sync_in_worker(lua_State *L) {
  lua_pushboolean(L, lp_ask_find(L) != NULL);
  return 1;
}

/* core.hold(object). Main keeps the object alive, because this process has a proxy of it. */
static int sync_hold(lua_State *L) {
  lp_ask_notify(L, LP_MSG_HOLD, (uint32_t)luaL_checkinteger(L, 1), 0);
  return 0;
}

/* core.let_go(object). This process has one proxy less. */
static int sync_let_go(lua_State *L) {
  lp_ask_notify(L, LP_MSG_LET_GO, (uint32_t)luaL_checkinteger(L, 1), 0);
  return 0;
}

/* core.ended(holder, normally). Main learns that a task which has asked something has ended. */
static int sync_ended(lua_State *L) {
  lp_ask_notify(L, LP_MSG_ENDED, (uint32_t)luaL_checkinteger(L, 1),
                (uint32_t)lua_toboolean(L, 2));
  return 0;
}

/* core.take(object) -> an item of the queue that main has sent ahead, or nil. */
static int sync_take(lua_State *L) {
  return lp_ask_take(L, (uint32_t)luaL_checkinteger(L, 1));
}

/* core.finish(object) -> bool. An item of the queue is finished; false when main must be asked.
 */
static int sync_finish(lua_State *L) {
  lua_pushboolean(L, lp_ask_finish(L, (uint32_t)luaL_checkinteger(L, 1)));
  return 1;
}

const luaL_Reg lpb_sync_ask_functions[] = {
    {"ask", sync_ask},       {"post", sync_post},     {"hold", sync_hold},
    {"let_go", sync_let_go}, {"ended", sync_ended},   {"in_worker", sync_in_worker},
    {"take", sync_take},     {"finish", sync_finish}, {NULL, NULL}};
