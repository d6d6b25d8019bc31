/* check.h: what the hosts of this folder share: checks that print TAP. A host calls CHECK and
 * its kin, and ends main with `return check_done();`. Nothing stops at a check that fails. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int check_count, check_failures;

static inline int check_report(int ok, const char *file, int line, const char *what) {
  check_count++;
  check_failures += !ok;
  printf("%sok %d - %s:%d: %s\n", ok ? "" : "not ", check_count, file, line, what);
  fflush(stdout);
  return ok;
}

static inline int check_int(long long want, long long is, const char *file, int line,
                            const char *what) {
  if (!check_report(want == is, file, line, what)) printf("# %lld, not %lld\n", is, want);
  return want == is;
}

/* Is `part` in `text`? The whole of it, when `whole` is set. */
static inline int check_text(const char *part, const char *text, int whole, const char *file,
                             int line, const char *what) {
  int ok = text && (whole ? strcmp(text, part) == 0 : strstr(text, part) != NULL);
  if (!check_report(ok, file, line, what)) printf("# \"%s\"\n", text ? text : "NULL");
  return ok;
}

#define CHECK(condition) check_report((condition) != 0, __FILE__, __LINE__, #condition)
#define CHECK_INT(want, value)                                                                 \
  check_int((long long)(want), (long long)(value), __FILE__, __LINE__, #value " is " #want)
#define CHECK_TEXT(want, text) check_text(want, text, 1, __FILE__, __LINE__, #text " is " #want)
#define CHECK_LIKE(part, text)                                                                 \
  check_text(part, text, 0, __FILE__, __LINE__, #text " has " #part)

static inline int check_done(void) {
  printf("1..%d\n", check_count);
  return check_failures != 0;
}

#endif
