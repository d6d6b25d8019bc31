/* pool/remote.h: main's end of objects that stay with it: what a worker asks of them, and which
 * of them somebody elsewhere may still name.
 *
 * Frames are kept as they come; a task of main works them off in their order, so everything
 * that a worker sent before it died is done before its death is seen to. What is done is Lua's
 * (scripts/luapool/internal/sync/remote.lua). Layer: pool. Process: main. */
#ifndef LP_POOL_REMOTE_H
#define LP_POOL_REMOTE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/ipc/frame.h"
#include "runtime/pool/protocol.h"

typedef struct lp_slot lp_slot;
typedef struct lp_state lp_state;

/* One worker that has asked for something. Held by its slot until that is gone, and by the Lua
 * object that scripts know it by. */
typedef struct lp_remote {
  lp_state *st;
  lp_slot *slot; /* NULL once it is gone */
  int holders;
  int object;   /* registry reference of the Lua object, a userdata with a pointer to this */
  lp_buf inbox; /* frames not worked off, from `at` on */
  size_t at;
  bool serving;   /* a task works them off */
  bool told;      /* and has been told that the worker is gone */
  lp_shared last; /* what it shared with us, as it was when it had gone */
} lp_remote;

/* A frame for it has come. Returns 0 or LP_EMEMORY. */
int lp_remote_receive(lp_slot *slot, const lp_frame *frame);

/* All frames of one read have come. */
void lp_remote_serve(lp_slot *slot);

/* The slot is gone. */
void lp_remote_lose(lp_slot *slot);

/* The next frame that is to be worked off; false when there is none: the task ends. A frame of
 * type 0 says that the worker is gone. The payload lies in `inbox`, at the same place until the
 * next call; its address is valid until more is heard. */
bool lp_remote_next(lp_remote *r, lp_frame *frame);

/* What the worker shares with us, also after it is gone. */
lp_shared *lp_remote_shared(lp_remote *r);

/* Sends the values on top of L's stack, n of them, ahead as items of a queue; they stay. The
 * lane, the object and `wanted` of `head` are the caller's. An
 * item that cannot travel, that holds objects which stay with main, or that is too many for one
 * frame is not sent, and those after it are not. Returns how many were sent. */
int lp_remote_send_ahead(lua_State *L, lp_remote *r, lp_ahead_head *head, int n);

/* Kills the worker, as it cannot be told what it waits for: its calls run elsewhere. */
void lp_remote_give_up(lp_remote *r);

/* One holder less. */
void lp_remote_release(lp_remote *r);

/* Tells it the values on top of L's stack, n of them, as the answer; they stay. Nothing is said
 * when it is gone. Objects among them are pinned and their numbers appended to `objects`. */
void lp_remote_answer(lua_State *L, lp_remote *r, lp_answer_head *head, int n, lp_buf *objects);

/* The function that works frames off: fn(remote). */
void lp_remote_set_server(lua_State *L, int index);

#endif
