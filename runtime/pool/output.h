/* pool/output.h: a worker's stdout or stderr: a pipe that main reads and passes on in whole
 * lines. Layer: pool. Process: main. Owner: the slot, which embeds it. */
#ifndef LP_POOL_OUTPUT_H
#define LP_POOL_OUTPUT_H

#include <stdbool.h>
#include <uv.h>

#include "runtime/base/buf.h"

typedef struct lp_state lp_state;

enum { LP_OUTPUT_TAIL = 2048 };

typedef struct lp_output {
  uv_pipe_t pipe;
  lp_state *st;
  int kind; /* LP_TEXT_OUT or LP_TEXT_ERR */
  lp_buf partial;
  char tail[LP_OUTPUT_TAIL]; /* the last that came through, for a death's report */
  size_t tail_len;
  bool open;
  void (*closed)(struct lp_output *o);
} lp_output;

/* Begins to read the pipe's end `from`, which it takes over. Returns 0 or a libuv error; then
 * `from` stays the caller's, but lp_output_close is needed. */
int lp_output_open(lp_output *o, lp_state *st, int from, int kind);

/* Passes on what has come, reading what is there now. For a worker that is dead. */
void lp_output_finish(lp_output *o);

/* A copy of the last lines, for lp_alloc_free; NULL when there are none. */
char *lp_output_tail(const lp_output *o);

/* Closes; `closed` runs on a later turn. Returns false, without calling it, when it was not
 * open. */
bool lp_output_close(lp_output *o, void (*closed)(lp_output *o));

#endif
