/* counted/meter.c: the look at what the current task may use. Layer: counted. */
#include "runtime/counted/meter.h"

#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

void lp_meter_look(lp_meter *m) {
  lp_state *st = lp_state_of(m->L);
  m->left = LP_METER_STEPS;
  if (st->current && st->late && st->late(st)) lp_task_raise_cancelled(m->L);
}
