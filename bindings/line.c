/* bindings/line.c: lines with two ends. Layer: bindings. */
#include "bindings/line.h"

#include "runtime/loop/state.h"
#include "runtime/loop/usage.h"

void lpb_line_init(lpb_line *line, const lpb_line_class *class, bool ordered, bool open) {
  *line = (lpb_line){.class = class, .ordered = ordered, .open = open};
  lp_list_init(&line->items);
  lp_list_init(&line->running);
}

lp_list *lpb_line_running(lpb_line *line) {
  return line->ordered ? &line->items : &line->running;
}

uint64_t lpb_line_put(lpb_line *line, lp_list *link) {
  bool ended = line->class->has_ended(link);
  lp_list_push(ended ? &line->items : lpb_line_running(line), link);
  if (!ended) line->running_count++;
  line->count++;
  return ++line->last;
}

void lpb_line_end(lpb_line *line, lp_list *link) {
  line->running_count--;
  if (!line->ordered) {
    lp_list_remove(link);
    lp_list_push(&line->items, link);
  }
  lpb_line_wake(line);
}

lp_list *lpb_line_next(const lpb_line *line) {
  if (lp_list_empty(&line->items)) return NULL;
  lp_list *link = line->items.next;
  return line->class->has_ended(link) ? link : NULL;
}

void lpb_line_take(lpb_line *line, lp_list *link) {
  lp_list_remove(link);
  line->count--;
}

/* There is an item to take out, or none will come any more. */
static bool has_next(const lpb_line *line) {
  return lpb_line_next(line) || (!line->open && line->count == 0);
}

void lpb_line_wake(lpb_line *line) {
  if (line->putter && line->class->has_room(line)) lp_op_finish(line->putter, 0);
  if (line->taker && has_next(line)) lp_op_finish(line->taker, 0);
}

void lpb_line_clear(lpb_line *line, void (*drop)(lp_list *link)) {
  for (lp_list *link; (link = lp_list_shift(&line->items));) drop(link);
  for (lp_list *link; (link = lp_list_shift(&line->running));) drop(link);
  line->running_count = line->count = 0;
}

/* ---- waiting ---- */

void lpb_line_leave(lp_op *op) {
  lpb_line *line = ((lpb_line_op *)op)->line;
  if (!line) return;
  if (line->putter == op) line->putter = NULL;
  if (line->taker == op) line->taker = NULL;
}

void lpb_line_detach(lpb_line *line) {
  if (line->putter) ((lpb_line_op *)line->putter)->line = NULL;
  if (line->taker) ((lpb_line_op *)line->taker)->line = NULL;
}

static lp_op *new_op(lua_State *L, lpb_line *line, const lp_op_class *class) {
  lpb_line_op *o = lp_op_new(L, class, sizeof *o);
  o->line = line;
  return &o->op;
}

int lpb_line_await_room(lua_State *L, lpb_line *line, const lp_op_class *class) {
  line->putter = new_op(L, line, class);
  return lp_op_await(L, line->putter, -1);
}

/* A wait of this task itself that is still there has failed to give its results. */
int lpb_line_await_next(lua_State *L, lpb_line *line, const lp_op_class *class,
                        double timeout) {
  if (line->taker && line->taker->task != lp_state_of(L)->current)
    return lp_usage_raise(L, class->name, "another task waits for them already");
  line->taker = new_op(L, line, class);
  if (has_next(line)) lp_op_finish(line->taker, 0);
  return lp_op_await(L, line->taker, timeout);
}
