/* bindings/line.h: a line with two ends. One task puts items in, they end in any order, and one
 * task takes those that have ended out: in the order in which they were put in, or in that in
 * which they ended. Sets of tasks and maps over pools are such lines.
 *
 * Each end may wait: who puts in until there is room, who takes out until there is something.
 * What an item is, when it has ended, and how much the line may hold is the owner's. Layer:
 * bindings. Owner: the set or the map, which embeds it. */
#ifndef LPB_LINE_H
#define LPB_LINE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/list.h"
#include "runtime/loop/op.h"

typedef struct lpb_line lpb_line;

typedef struct lpb_line_class {
  /* Has the item of this link ended? */
  bool (*has_ended)(const lp_list *link);
  /* May the task that waits for room go on? */
  bool (*has_room)(const lpb_line *line);
} lpb_line_class;

struct lpb_line {
  const lpb_line_class *class;
  /* Ordered: all items. Unordered: those that have ended. */
  lp_list items;
  /* Unordered: items that have not ended. */
  lp_list running;
  /* How many items have not ended. */
  uint64_t running_count;
  /* How many items have not been taken out, whether they have ended or not. */
  uint64_t count;
  /* The index of the latest item, from 1 on. */
  uint64_t last;
  bool ordered;
  /* More items will be put in, so an empty line is not the end. */
  bool open;
  /* The waits at both ends, or NULL. */
  lp_op *putter, *taker;
};

/* A wait at either end. */
typedef struct lpb_line_op {
  lp_op op;
  /* Alive: its owner is an argument of the waiting function. */
  lpb_line *line;
} lpb_line_op;

void lpb_line_init(lpb_line *line, const lpb_line_class *class, bool ordered, bool open);

/* Puts an item in, which may have ended already, and returns its index. */
uint64_t lpb_line_put(lpb_line *line, lp_list *link);

/* The owner calls it when an item that had not ended when it was put in has ended. */
void lpb_line_end(lpb_line *line, lp_list *link);

/* Returns the item that is taken out next, or NULL when it has not ended or there is none. */
lp_list *lpb_line_next(const lpb_line *line);

/* Takes out what lpb_line_next has returned. */
void lpb_line_take(lpb_line *line, lp_list *link);

/* Wakes whoever need not wait any longer. The owner calls it after what it has changed itself.
 */
void lpb_line_wake(lpb_line *line);

/* The list with all items that have not ended (and, when ordered, others too). */
lp_list *lpb_line_running(lpb_line *line);

/* Drops all items: `drop` gets each link, which is in no list any more. */
void lpb_line_clear(lpb_line *line, void (*drop)(lp_list *link));

/* Waits until class->has_room. `class` is that of an lpb_line_op and has lpb_line_leave as its
 * `close`. Use it as `return lpb_line_await_room(...)`. */
int lpb_line_await_room(lua_State *L, lpb_line *line, const lp_op_class *class);

/* Waits until there is an item to take out, or until none can come any more. Raises kind
 * `usage` when another task waits so. Use it as `return lpb_line_await_next(...)`. */
int lpb_line_await_next(lua_State *L, lpb_line *line, const lp_op_class *class, double timeout);

/* Takes the wait out of its line. */
void lpb_line_leave(lp_op *op);

/* The owner is being collected: waits that have not given their results forget the line. */
void lpb_line_detach(lpb_line *line);

#endif
