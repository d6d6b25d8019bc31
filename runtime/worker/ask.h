/* worker/ask.h: a worker's end of objects that stay with main: asking, and being answered.
 * Layer: worker. Process: worker. Owner: worker.c, which embeds it. */
#ifndef LP_WORKER_ASK_H
#define LP_WORKER_ASK_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/ipc/frame.h"
#include "runtime/loop/part.h"
#include "runtime/pool/protocol.h"

typedef struct lp_asker {
  lp_part part;
  lp_list asked; /* operations that main has not answered */
  lp_buf scratch;
  lp_shared *shared;
  bool closed; /* nothing can be said any more */
  void *owner;
  /* Sends a frame. */
  void (*say)(struct lp_asker *a, uint8_t type, const void *head, size_t head_len,
              const void *bytes, size_t len);
} lp_asker;

/* Registers the asker as a part of the worker's runtime. */
void lp_ask_open(lp_asker *a, lp_state *st);

/* The asker of L's runtime; NULL in main. */
lp_asker *lp_ask_find(lua_State *L);

/* Calls a method of an object of main and waits for its results. Stack of the calling C
 * function: the object's number, the holder's or 0, the name of the method, its arguments. */
int lp_ask(lua_State *L);

/* Calls a method of an object of main and does not wait: there is no answer. The same stack. */
void lp_ask_post(lua_State *L);

/* Says something that is not answered: a frame with two numbers, or one. */
void lp_ask_tell(lua_State *L, uint8_t type, uint32_t a, uint32_t b);

/* LP_SAY_ANSWER has come. Returns 0 or LP_EMEMORY. */
int lp_ask_answered(const lp_frame *frame);

/* Main cannot be reached any more: who still waits is told so. */
void lp_ask_close(lp_asker *a);

#endif
