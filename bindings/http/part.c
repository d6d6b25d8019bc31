/* bindings/http/part.c: what a download that was broken off needs to go on. See part.h. Layer:
 * bindings. */
#include "bindings/http/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/write.h"

static const char FORMAT[] = "luapool part 1\n%lld\n%s\n%s\n";

/* Cuts the first line off and returns it; NULL when there is no whole line. */
static char *next_line(char **text) {
  char *line = *text, *end = strchr(line, '\n');
  if (!end) return NULL;
  *end = 0;
  *text = end + 1;
  return line;
}

/* The notes must be whole: the process may have been killed while it wrote them. */
static bool parse(lpb_http_part *p, char *text, const char *url) {
  char *title = next_line(&text), *total = title ? next_line(&text) : NULL,
       *validator = total ? next_line(&text) : NULL,
       *from = validator ? next_line(&text) : NULL;
  if (!from || strcmp(title, "luapool part 1") != 0 || strcmp(from, url) != 0) return false;
  if (strlen(validator) >= sizeof p->validator) return false;
  strcpy(p->validator, validator);
  p->total = strtoll(total, NULL, 10);
  return *validator != 0;
}

bool lpb_http_part_read(lpb_http_part *p, const char *path, const char *url) {
  *p = (lpb_http_part){.total = -1};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  lp_buf text = {0};
  ssize_t n = 1;
  while (n > 0 && lp_buf_reserve(&text, 4096) == 0) {
    n = read(fd, text.data + text.len, 4095);
    if (n > 0) text.len += (size_t)n;
  }
  close(fd);
  bool whole = n == 0 && text.data;
  if (whole) text.data[text.len] = 0;
  whole = whole && parse(p, text.data, url);
  if (!whole) p->validator[0] = 0;
  lp_buf_close(&text);
  return whole;
}

int lpb_http_part_write(const lpb_http_part *p, const char *path, const char *url) {
  int size = snprintf(NULL, 0, FORMAT, p->total, p->validator, url) + 1;
  lp_buf text = {0};
  if (lp_buf_reserve(&text, (size_t)size) < 0) return -ENOMEM;
  snprintf(text.data, (size_t)size, FORMAT, p->total, p->validator, url);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), rc = fd < 0 ? -errno : 0;
  if (rc == 0) rc = lp_write_all(fd, text.data, (size_t)size - 1);
  if (fd >= 0) close(fd);
  lp_buf_close(&text);
  return rc;
}

/* A weak ETag does not promise the same bytes. */
static const char *validator_of(const lpb_http_part_answer *a) {
  if (a->etag && a->etag[0] == '"') return a->etag;
  return a->modified;
}

void lpb_http_part_note(lpb_http_part *p, const lpb_http_part_answer *a) {
  const char *validator = a->encoded ? NULL : validator_of(a);
  *p = (lpb_http_part){.total = a->length >= 0 && !a->encoded ? a->length : -1};
  if (validator && strlen(validator) < sizeof p->validator) strcpy(p->validator, validator);
}

bool lpb_http_part_fits(const lpb_http_part *p, const lpb_http_part_answer *a,
                        long long offset) {
  long long first, last, total = -1;
  if (a->encoded || !a->range) return false;
  int n = sscanf(a->range, "bytes %lld-%lld/%lld", &first, &last, &total);
  if (n < 2 || first != offset || last < first) return false;
  if (n == 3 && p->total >= 0 && total != p->total) return false;
  return !a->etag || p->validator[0] != '"' || strcmp(a->etag, p->validator) == 0;
}
