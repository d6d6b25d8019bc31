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

/* Items of a queue that main has sent ahead. */
typedef struct lp_lane {
  uint32_t object; /* the queue; 0: none */
  uint32_t next;   /* the number of the first item in `items`, */
  uint32_t end;    /* and the number after that of the last one */
  bool wanted;     /* main is told when an item is taken */
  lp_buf items;    /* from `at` on: a length (uint32_t), the values, and so on */
  size_t at;
} lp_lane;

typedef struct lp_asker {
  lp_part part;
  lp_list asked;  /* operations that main has not answered */
  lp_buf scratch; /* what is asked, */
  lp_buf posted;  /* or posted: finalizers may post while something is encoded */
  lp_shared *shared;
  lp_lane lanes[LP_LANES];
  uint32_t lane_count; /* the lanes after these have never had a queue */
  uint64_t moved;      /* one bit a lane: LP_MSG_MOVED leaves with the next flush */
  bool closed;         /* main cannot be reached any more */
  void *owner;
  /* Sends a frame. */
  void (*post)(struct lp_asker *a, uint8_t type, const void *head, size_t head_len,
               const void *bytes, size_t len);
} lp_asker;

/* Registers the asker as a part of the worker's runtime. */
void lp_ask_open(lp_asker *a, lp_state *st);

/* The asker of L's runtime; NULL in main. */
lp_asker *lp_ask_find(lua_State *L);

/* Calls a method of an object of main and waits for its results. Stack of the calling C
 * function: the object's number, the holder's or 0, the name of the method, its arguments. */
int lp_ask(lua_State *L);

/* Calls a method of an object of main and does not wait: there is no answer. The same stack;
 * the arguments are plain values. */
void lp_ask_post(lua_State *L);

/* Says something that is not answered: a frame with two numbers, or one. */
void lp_ask_notify(lua_State *L, uint8_t type, uint32_t a, uint32_t b);

/* LP_MSG_ANSWER has come. Returns 0 or LP_EMEMORY. */
int lp_ask_answered(lp_asker *a, const lp_frame *frame);

/* LP_MSG_AHEAD has come. Returns 0 or LP_EMEMORY. */
int lp_ask_ahead(lp_asker *a, const lp_frame *frame);

/* Pushes the first item of the queue that main has sent ahead and that has no taker; returns 1,
 * or 0 when there is none. */
int lp_ask_take(lua_State *L, uint32_t object);

/* An item of the queue is finished: main is told without being waited for. False when the queue
 * has no lane here. */
bool lp_ask_finish(lua_State *L, uint32_t object);

/* What was said has been sent: what is said next is in a new frame. */
void lp_ask_flushed(lp_asker *a);

/* Main cannot be reached any more: who still waits is told so. */
void lp_ask_close(lp_asker *a);

#endif
