/* luapool on a uv_loop_t of the host's, which turns it: tasks run between the host's own
 * timers. When the runtime is closed the loop and the host's handles are as they were. */
#include <stdio.h>
#include <uv.h>

#include <luapool.h>

static const char script[] = "local task = require 'luapool.task'\n"
                             "for i = 1, 3 do\n"
                             "  task.sleep(0.02)\n"
                             "  print('script ' .. i)\n"
                             "end\n";

typedef struct host {
  uv_timer_t timer;
  int ticks;
  luapool_task *task;
} host;

/* What scripts print. */
static void on_text(void *user, int kind, const char *bytes, size_t len) {
  (void)user;
  fwrite(bytes, 1, len, kind == LUAPOOL_TEXT_OUT ? stdout : stderr);
}

static void on_tick(uv_timer_t *timer) {
  host *h = timer->data;
  if (++h->ticks == 10) uv_timer_stop(timer);
}

/* Opens a runtime on the loop, with a task. */
static int open_runtime(luapool **rt, uv_loop_t *loop, host *h) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.user = h;
  options.text = on_text;
  int rc = luapool_attach(rt, NULL, loop, &options);
  if (rc < 0) return fprintf(stderr, "no runtime can be opened: code %d\n", rc), rc;
  rc = luapool_load(*rt, NULL, script, sizeof script - 1, "=script", NULL, 0, &h->task);
  if (rc < 0) fprintf(stderr, "%s\n", luapool_error(*rt));
  return rc;
}

int main(void) {
  uv_loop_t loop;
  host h = {.ticks = 0};
  luapool *rt = NULL;
  if (uv_loop_init(&loop) < 0) return fprintf(stderr, "no loop can be opened\n"), 1;
  uv_timer_init(&loop, &h.timer);
  h.timer.data = &h;
  uv_timer_start(&h.timer, on_tick, 5, 5);

  int rc = open_runtime(&rt, &loop, &h);
  if (rc == LUAPOOL_OK) uv_run(&loop, UV_RUN_DEFAULT); /* until timers and tasks are done */
  if (rc == LUAPOOL_OK) rc = luapool_task_status(h.task);
  if (h.task && rc != LUAPOOL_OK) fprintf(stderr, "%s\n", luapool_task_error(h.task));
  luapool_task_release(h.task);
  luapool_close(rt); /* never in a callback of the runtime's own */
  printf("the host has ticked %d times\n", h.ticks);

  uv_close((uv_handle_t *)&h.timer, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  int open = uv_loop_close(&loop);
  if (open < 0) fprintf(stderr, "something was left in the loop\n");
  return rc != LUAPOOL_OK || open < 0;
}
