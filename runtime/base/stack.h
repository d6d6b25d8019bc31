/* base/stack.h: how much of the C stack is left, for what recurses over values of users. Layer:
 * base, libc only. */
#ifndef LP_BASE_STACK_H
#define LP_BASE_STACK_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the bytes that are left to the calling thread. The first call in a thread asks the
 * system, the others cost next to nothing. */
size_t lp_stack_left(void);

/* True when a recursion should go no deeper: Lua and libraries may still be called. */
static inline bool lp_stack_low(void) {
  enum { RESERVE = 64 << 10 };
  return lp_stack_left() < RESERVE;
}

#endif
