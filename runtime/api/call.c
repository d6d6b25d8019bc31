/* api/call.c: asynchronous C functions. The answer of a thread is a mail to the runtime.
 *
 * A call has two sides, the task and who answers. Each lets go of it once, in any order;
 * `stage` tells both how far the other one is, and who is the last of them frees the call. All
 * fields but `stage`, `status` and the mail are those of the thread that holds the runtime,
 * until the task has let go. Layer: api. Process: main. */
#include <lauxlib.h>
#include <stdatomic.h>

#include "runtime/api/api.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/mailbox.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

enum {
  OPEN,     /* Neither side has done anything yet. */
  AWAITED,  /* The task waits, so the answer has to be posted. */
  ANSWERED, /* It is in `status`, and posted when the task waited or had let go. */
  DROPPED,  /* The task has let go first. */
  REFUSED,  /* It was answered, and the runtime takes no mail any more. */
};

struct luapool_call {
  lp_op op;
  /* CALL with the name of the host's class. */
  lp_op_class named;
  lp_mail mail;
  lp_mailbox *box;
  const luapool_call_class *class;
  void *arg;
  atomic_int stage;
  /* What it was answered with, once it is. */
  int status;
  /* The code of the cancellation or deadline, once there was one, else 0. */
  int why;
  /* The task has waited for the answer. */
  bool awaited;
  /* The answer has come to the task's side. */
  bool received;
  /* The task has let go. */
  bool dropped;
};

static luapool_call *of(lp_op *op) {
  return lp_list_of(op, luapool_call, op);
}

/* Both sides have let go. */
static void free_call(luapool_call *c) {
  if (c->class->free) c->class->free(c->arg);
  lp_mailbox_release(c->box);
  lp_alloc_free(c);
}

/* What the wait ends with. All other answers are left to on_results. */
static int code_of(const luapool_call *c) {
  return c->status == LUAPOOL_ECANCELLED && c->why ? c->why : 0;
}

static void on_mail(lp_mail *m) {
  luapool_call *c = lp_list_of(m, luapool_call, mail);
  c->received = true;
  if (c->dropped)
    free_call(c);
  else
    lp_op_finish(&c->op, code_of(c));
}

/* What the host has answered already is on its way. */
static void tell_host(luapool_call *c) {
  if (c->class->cancel && atomic_load(&c->stage) < ANSWERED) c->class->cancel(c, c->arg);
}

static void on_cancel(lp_op *op, int why) {
  luapool_call *c = of(op);
  c->why = why;
  if (c->class->cancel)
    tell_host(c);
  else
    lp_op_finish(op, why);
}

static int raise_status(lua_State *L, const luapool_call *c) {
  static const struct {
    int status;
    const char *kind, *text;
  } errors[] = {{LUAPOOL_ECANCELLED, "cancelled", "the host has given it up"},
                {LUAPOOL_ETIME, "timeout", "timed out"},
                {LUAPOOL_EMEMORY, "memory", "not enough memory"},
                {LUAPOOL_EDENIED, "denied", "the host does not allow it"}};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].status == c->status)
      return lp_raise(L, errors[i].kind, "%s: %s", c->named.name, errors[i].text);
  return luaL_error(L, "%s: failed with status %d", c->named.name, c->status);
}

static int on_results(lua_State *L, lp_op *op) {
  luapool_call *c = of(op);
  if (op->status < 0) return lp_op_raise(L, op);
  bool has_results = c->class->results && c->status != LUAPOOL_ECANCELLED;
  if (has_results) return c->class->results(L, c, c->arg);
  return c->status < 0 ? raise_status(L, c) : 0;
}

/* The task lets go, perhaps without having waited. */
static void on_close(lp_op *op) {
  luapool_call *c = of(op);
  if (c->awaited) lp_mailbox_done(c->box);
  if (!c->received && !c->why) tell_host(c);
  c->dropped = true;
  if (c->received) {
    free_call(c);
    return;
  }
  int stage = atomic_exchange(&c->stage, DROPPED);
  if (stage == REFUSED || (stage == ANSWERED && !c->awaited)) free_call(c);
}

static const lp_op_class CALL = {.cancel = on_cancel, .results = on_results, .close = on_close};

/* A host that was compiled with a newer header may have more fields, which must be 0. */
static void check_class(lua_State *L, const luapool_call_class *class) {
  size_t known = sizeof *class;
  bool fits = class->size >= known;
  for (size_t i = known; fits && i < class->size; i++) fits = ((const char *)class)[i] == 0;
  if (!fits)
    lp_usage_raise(L, "luapool_call_new",
                   "the class has a size that this library does not know: %d bytes",
                   (int)class->size);
}

luapool_call *luapool_call_new(lua_State *L, const luapool_call_class *class, void *arg) {
  check_class(L, class);
  const luapool *rt = luapool_of(L);
  luapool_call *c = rt ? lp_alloc_new(sizeof *c) : NULL;
  bool placed = false;
  if (c) {
    c->named = CALL;
    c->named.name = class->name;
    placed = lp_op_place(L, &c->op, &c->named);
  }
  if (!placed) {
    const char *name = class->name;
    if (class->free) class->free(arg);
    lp_alloc_free(c);
    if (c) lp_op_refuse(L, name);
    if (rt) lp_raise_code(L, LP_EMEMORY, name);
    lp_usage_raise(L, name, "workers have no host whose threads could answer");
  }
  c->class = class;
  c->arg = arg;
  c->mail.run = on_mail;
  c->box = rt->mailbox;
  lp_mailbox_hold(c->box);
  atomic_init(&c->stage, OPEN);
  return c;
}

int luapool_await(lua_State *L, luapool_call *c, double timeout) {
  lp_task *t = lp_state_of(L)->current;
  if (!t || lp_task_op(t) != &c->op)
    return lp_usage_raise(L, "luapool_await", "the call is not the latest one of this task");
  int stage = OPEN;
  c->awaited = atomic_compare_exchange_strong(&c->stage, &stage, AWAITED);
  if (c->awaited) {
    lp_mailbox_expect(c->box);
  } else {
    c->received = true;
    lp_op_finish(&c->op, code_of(c));
  }
  return lp_op_await(L, &c->op, timeout);
}

/* `c` may be freed by the other thread as soon as the stage is ANSWERED, unless the answer has
 * to be posted. */
void luapool_answer(luapool_call *c, int status) {
  c->status = status;
  int before = atomic_exchange(&c->stage, ANSWERED);
  if (before == OPEN || lp_mailbox_post(c->box, &c->mail)) return;
  if (before == DROPPED || atomic_exchange(&c->stage, REFUSED) == DROPPED) free_call(c);
}

int luapool_call_status(const luapool_call *c) {
  return c->status;
}
