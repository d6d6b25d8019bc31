/* base/stack.c: the bounds of a thread's stack. That of the main thread grows up to its limit
 * (ulimit -s). Layer: base, libc only. */
#include "runtime/base/stack.h"

#include <pthread.h>
#include <stdint.h>

/* The lowest address of this thread's stack; NULL before the first call. */
static _Thread_local const char *lowest;

static const char *find_lowest(void) {
  pthread_attr_t attributes;
  void *address = NULL;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return NULL;
  pthread_attr_getstack(&attributes, &address, &size);
  pthread_attr_destroy(&attributes);
  return address;
}

size_t lp_stack_left(void) {
  const char *here = __builtin_frame_address(0); /* a sanitizer may keep locals elsewhere */
  if (!lowest) lowest = find_lowest();
  return lowest && here > lowest ? (size_t)(here - lowest) : lowest ? 0 : SIZE_MAX;
}
