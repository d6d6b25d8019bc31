/* cli/main.c: the program luapool: opens a runtime and hands the command line to its Lua half
 * (scripts/cli/main.lua), which returns the exit status. Layer: cli. Process: main. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/luapool.h"

static const char START[] = "return require('cli.main').main({...})";

/* What the callback for texts has to know. */
typedef struct output {
  bool terminal; /* stdout is one: all is seen at once */
  int refused;   /* why nothing more could be written to stdout */
} output;

/* Our own stdout may hold earlier text. The run ends with the reader. */
static void write_out(output *o, const char *bytes, size_t len) {
  errno = 0;
  bool ok = fwrite(bytes, 1, len, stdout) == len;
  if (ok && (len == 0 || o->terminal)) ok = fflush(stdout) == 0;
  if (ok) return;
  if (errno == EPIPE) _exit(0);
  o->refused = errno;
}

/* What scripts and workers print, and what luapool has to say, which is one write. */
static void write_text(void *user, int kind, const char *bytes, size_t len) {
  const char *title = kind == LUAPOOL_TEXT_ERROR     ? "luapool: "
                      : kind == LUAPOOL_TEXT_WARNING ? "luapool: warning: "
                                                     : "";
  struct iovec parts[] = {{(char *)title, strlen(title)},
                          {(char *)bytes, len},
                          {(char *)"\n", kind > LUAPOOL_TEXT_ERR}};
  if (kind == LUAPOOL_TEXT_OUT)
    write_out(user, bytes, len);
  else if (writev(STDERR_FILENO, parts, 3) < 0)
    return; /* there is nobody to tell */
}

/* By default glibc gives the top of the heap back to the system at every chance and faults it
 * in again: a tenth of the cost of a small HTTP request, a third of that of a large one.
 * Workers, being forked, inherit this. */
static void keep_heap(void) {
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* As many descriptors as we may have: each connection of a task is one. libuv aborts where it
 * cannot have its first few. */
static bool raise_limit(void) {
  enum { LEAST = 10 };
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return true;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max >= LEAST;
}

static int cannot_start(void) {
  fputs("luapool: cannot start: too little memory, or too few open files allowed (ulimit -n)\n",
        stderr);
  return 1;
}

/* What stands in stdio's buffer is written when the run is over, and once more at the very end:
 * whatever ends the process while the runtime is closed, the results are out. A reader that has
 * gone is no failure. */
static int flush(int status, output *o) {
  errno = 0;
  bool failed = fflush(stdout) != 0 || ferror(stdout);
  if (!failed || errno == EPIPE) return status;
  int why = errno ? errno : o->refused;
  clearerr(stdout);
  o->refused = 0;
  fprintf(stderr, "luapool: cannot write to stdout%s%s\n", why ? ": " : "",
          why ? strerror(why) : "");
  return status ? status : 1;
}

/* Started by main in place of a forkserver that has died; it was "/proc/self/exe" then. It ends
 * as a forked one does, without what exit() runs: main sends SIGCONT to a forkserver that is to
 * end, and the SIGSTOP with which a leak checker stops us in exit() would be lost by that. */
static void serve(void) {
  prctl(PR_SET_NAME, "luapool");
  _exit(luapool_serve());
}

/* A mask is inherited: whoever has started us may have blocked what is to stop us. */
static void unblock_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Loads the Lua half of the program with the command line as its arguments. */
static int load(luapool *rt, int argc, char **argv, luapool_task **task) {
  luapool_value *args = calloc((size_t)argc, sizeof *args);
  if (!args) return LUAPOOL_EMEMORY;
  for (int i = 1; i < argc; i++) {
    args[i - 1].type = LUAPOOL_STRING;
    args[i - 1].as.string.bytes = argv[i];
    args[i - 1].as.string.len = strlen(argv[i]);
  }
  int n = argc > 1 ? argc - 1 : 0;
  int rc = luapool_load(rt, NULL, START, sizeof START - 1, "=luapool", args, n, task);
  free(args);
  return rc;
}

/* Runs the program. Returns its exit status. */
static int run(luapool *rt, int argc, char **argv) {
  luapool_task *task;
  luapool_value status = {0};
  int rc = load(rt, argc, argv, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  if (rc < 0)
    fprintf(stderr, "luapool: %s\n", luapool_error(rt));
  else
    luapool_task_result(task, 0, &status);
  luapool_task_release(task);
  if (rc < 0) return 1;
  return status.type == LUAPOOL_INTEGER ? (int)status.as.integer : 0;
}

int main(int argc, char **argv) {
  signal(SIGUSR2, SIG_IGN); /* first: who sends it does not wait. Until cli.stop listens */
  unblock_signals();
  keep_heap();
  if (argc > 1 && strcmp(argv[1], "--forkserver") == 0) serve();
  if (!raise_limit()) return cannot_start();
  int forkserver = luapool_fork();
  output out = {.terminal = isatty(STDOUT_FILENO)};
  luapool_options options = LUAPOOL_OPTIONS;
  options.user = &out;
  options.text = write_text;
  options.allowed = LUAPOOL_ALLOW_ALL;
  options.forkserver = forkserver > 0 ? forkserver : 0;
  options.program = "/proc/self/exe";
  options.close_us = 5000000; /* a script may clean up */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL); /* who has started us may ignore it */
  signal(SIGXFSZ, SIG_IGN); /* a write beyond `ulimit -f` fails, and says so */
  luapool *rt;
  if (luapool_open(&rt, &options) < 0) return cannot_start();
  int status = flush(run(rt, argc, argv), &out);
  luapool_close(rt);
  luapool_unfork(forkserver);
  return flush(status, &out);
}
