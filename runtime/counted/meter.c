/* counted/meter.c: the look at the budgets. Layer: counted. */
#include "runtime/counted/meter.h"

#include "runtime/loop/interrupt.h"

void lp_meter_look(lp_meter *m) {
  m->left = LP_METER_STEPS;
  lp_interrupt_check(m->L);
}
