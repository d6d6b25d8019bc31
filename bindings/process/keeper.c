/* bindings/process/keeper.c: the keeper of a runtime: what kills the programs that it has
 * started when its process is killed. Layer: bindings. Owner: the runtime, as a part of it. */
#include "bindings/process/keeper.h"

#include "runtime/base/alloc.h"
#include "runtime/loop/part.h"
#include "runtime/loop/state.h"

typedef struct part {
  lp_part part;
  lp_keeper keeper;
} part;

/* Files of io.popen are closed with Lua, so the keeper lives longer than that. */
static void keeper_free(lp_part *base) {
  part *p = lp_list_of(base, part, part);
  lp_child_close_keeper(&p->keeper);
  lp_part_remove(base);
  lp_alloc_free(p);
}

static const lp_part_class keeper_class = {.free = keeper_free};

lp_keeper *lpb_process_keeper(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lp_part *base = lp_part_find(st, &keeper_class);
  if (base) return &lp_list_of(base, part, part)->keeper;
  part *p = lp_alloc_new(sizeof *p);
  if (!p) return NULL;
  lp_part_add(st, &p->part, &keeper_class);
  return &p->keeper;
}
