/* luapool in a poll() loop of the host's own. The host reads lines from stdin, and has a script
 * answer each; an answer may take its time while other lines come in.
 *
 * The runtime is one more descriptor and one more timeout for poll(). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <luapool.h>

static const char script[] = "local task = require 'luapool.task'\n"
                             "function on_line(text)\n"
                             "  task.sleep(0.05) -- as a request to a server would\n"
                             "  return text:upper()\n"
                             "end\n";

enum { BUDGET_US = 5000 };

static int running;

/* The task of a line has ended. */
static void on_answer(void *user, luapool_task *task) {
  luapool_value text;
  (void)user;
  int rc = luapool_task_result(task, 0, &text);
  if (rc < 0)
    fprintf(stderr, "%s\n", luapool_task_error(task));
  else if (text.type == LUAPOOL_STRING)
    printf("%s\n", text.as.string.bytes);
  luapool_task_release(task);
  running--;
}

static int start_line(luapool *rt, const char *line, size_t len) {
  luapool_value arg = {.type = LUAPOOL_STRING, .as.string = {line, len}};
  luapool_task *task;
  int rc = luapool_start(rt, NULL, "on_line", &arg, 1, &task);
  if (rc < 0) return rc;
  running++;
  return luapool_task_watch(task, on_answer, NULL);
}

/* Reads what stdin has and starts a task for each whole line. Returns 0 at its end, or a
 * negative code. */
static int read_lines(luapool *rt) {
  static char buffer[4096];
  static size_t len;
  ssize_t n = read(STDIN_FILENO, buffer + len, sizeof buffer - len);
  if (n < 0 && errno == EINTR) return 1;
  if (n <= 0) return 0;
  len += (size_t)n;
  char *line = buffer, *end;
  while ((end = memchr(line, '\n', len - (size_t)(line - buffer)))) {
    int rc = start_line(rt, line, (size_t)(end - line));
    if (rc < 0) return rc;
    line = end + 1;
  }
  len -= (size_t)(line - buffer);
  memmove(buffer, line, len);
  if (len == sizeof buffer) len = 0; /* no line is so long */
  return 1;
}

/* How long poll may sleep, in milliseconds, rounded up. */
static int timeout_ms(luapool *rt) {
  int64_t us = luapool_timeout_us(rt);
  return us < 0 ? -1 : us > 3600000000 ? 3600000 : (int)((us + 999) / 1000);
}

/* Runs until stdin has ended and each line is answered. */
static int run(luapool *rt) {
  int more = 1, rc;
  while (more || running > 0) {
    struct pollfd fds[] = {{.fd = luapool_fd(rt), .events = POLLIN},
                           {.fd = more ? STDIN_FILENO : -1, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms(rt)) < 0 && errno != EINTR) return perror("poll"), -1;
    if (fds[1].revents && (more = read_lines(rt)) < 0) return more;
    rc = luapool_step(rt, BUDGET_US);
    /* While stdin may still bring lines it does not matter that no task can go on. */
    if (rc < 0 && !(rc == LUAPOOL_EDEADLOCK && more)) return rc;
  }
  return LUAPOOL_OK;
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  setvbuf(stdout, NULL, _IOLBF, 0); /* an answer is seen when it is there */
  int rc = luapool_open(&rt, &options);
  if (rc < 0) return fprintf(stderr, "no runtime can be opened: code %d\n", rc), 1;
  rc = luapool_load(rt, NULL, script, sizeof script - 1, "=script", NULL, 0, NULL);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, NULL); /* the script has defined on_line then */
  if (rc == LUAPOOL_OK) rc = run(rt);
  if (rc < 0) fprintf(stderr, "%s\n", luapool_error(rt));
  luapool_close(rt);
  return rc < 0;
}
