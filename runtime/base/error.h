/* base/error.h: luapool's own error codes.
 *
 * A C function that can fail returns 0 or a negative code: one of these, or a negative errno as
 * libuv gives them. Every code has a kind (the short word that scripts see in `err.kind`) and a
 * text. Layer: base, libc only. */
#ifndef LP_BASE_ERROR_H
#define LP_BASE_ERROR_H

#include <stdbool.h>

/* X(name, code, kind, text) */
#define LP_ERRORS(X)                                                                           \
  X(CANCELLED, -10001, "cancelled", "the task was cancelled")                                  \
  X(TIMEOUT, -10002, "timeout", "timed out")                                                   \
  X(MEMORY, -10003, "memory", "not enough memory")                                             \
  X(CLOSED, -10004, "closed", "closed")                                                        \
  X(CORRUPT, -10005, "corrupt", "the data is damaged")                                         \
  X(TOO_LARGE, -10006, "too_large", "too large")                                               \
  X(INSIDE, -10007, "usage", "the runtime is calling just now: return to it first")            \
  X(BUDGET, -10008, "budget", "a budget of CPU is used up")                                    \
  X(TASKS, -10009, "budget", "too many tasks")

#define LP_ERROR_ENUM(name, code, kind, text) LP_E##name = (code),
enum { LP_ERRORS(LP_ERROR_ENUM) };
#undef LP_ERROR_ENUM

/* True for one of these codes, false for an errno or a code of libuv. */
static inline bool lp_error_is_ours(int code) {
  return code <= LP_ECANCELLED;
}

/* The kind of a negative code: "timeout", or "system" for an errno. Never NULL; static. */
const char *lp_error_kind(int code);

/* What a negative code means, in words. Never NULL; static. */
const char *lp_error_text(int code);

#endif
