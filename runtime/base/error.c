/* base/error.c: kinds and texts of error codes. Layer: base. */
#include "runtime/base/error.h"

#include <stddef.h>
#include <string.h>

static const struct {
  int code;
  const char *kind;
  const char *text;
} rows[] = {
#define LP_ERROR_ROW(name, code, kind, text) {code, kind, text},
    LP_ERRORS(LP_ERROR_ROW)
#undef LP_ERROR_ROW
};

const char *lp_error_kind(int code) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].code == code) return rows[i].kind;
  return "system";
}

const char *lp_error_text(int code) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].code == code) return rows[i].text;
  return strerror(-code);
}
