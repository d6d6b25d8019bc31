/* counted/pattern.h: Lua's patterns, with a count of the steps that a match takes.
 *
 * What matches is what the standard library matches, and the errors are the same; but a pattern
 * that backtracks for hours ends when the budget does. Layer: counted. Owner: a call of a
 * function of string.c, on its C stack, or the userdata of a gmatch. */
#ifndef LP_COUNTED_PATTERN_H
#define LP_COUNTED_PATTERN_H

#include <stdbool.h>

#include "runtime/counted/meter.h"

enum {
  LP_PATTERN_CAPTURES = 32,
  LP_PATTERN_DEPTH = 200,  /* calls that may nest, as in the standard library */
  LP_PATTERN_POSITION = -2 /* the length of a capture that is a position */
};

typedef struct lp_pattern {
  lp_meter meter;
  const char *subject, *subject_end, *end; /* of the subject, of the pattern */
  int depth;                               /* calls that the matcher may still nest */
  int count;                               /* captures that were opened */
  struct {
    const char *begin;
    ptrdiff_t len; /* or LP_PATTERN_POSITION; negative as well while it is open */
  } captures[LP_PATTERN_CAPTURES];
} lp_pattern;

void lp_pattern_open(lp_pattern *p, lua_State *L, const char *subject, size_t len,
                     const char *pattern, size_t pattern_len);

/* Matches the pattern, from `at` on, where the subject is at `s`. Returns where the match ends,
 * or NULL. */
const char *lp_pattern_match(lp_pattern *p, const char *s, const char *at);

/* Finds capture `i`, from 0 on; without captures the first is the match from `s` to `e`.
 * Returns its length, or LP_PATTERN_POSITION. */
ptrdiff_t lp_pattern_capture(const lp_pattern *p, int i, const char *s, const char *e,
                             const char **text);

/* Pushes that capture: a string, or an integer. */
void lp_pattern_push(lp_pattern *p, int i, const char *s, const char *e);

/* Pushes all captures; without any the match, unless `s` is NULL. Returns how many. */
int lp_pattern_push_all(lp_pattern *p, const char *s, const char *e);

/* True when the pattern has no magic character: it is found as it stands. */
bool lp_pattern_is_plain(const char *pattern, size_t len);

#endif
