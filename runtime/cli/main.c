/* cli/main.c: the program luapool: opens a runtime and hands the command line to its Lua half
 * (scripts/cli/main.lua), which returns the exit status. Layer: cli. Process: main. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/luapool.h"

static const char START[] = "return require('cli.main').main({...})";

static void report(void *user, const char *text) {
  (void)user;
  fprintf(stderr, "luapool: %s\n", text);
}

/* What workers print. Our own stdout may hold earlier text. The run ends with the reader;
 * `user` keeps why nothing more could be written. */
static void output(void *user, int fd, const char *text, size_t len) {
  FILE *stream = fd == 1 ? stdout : stderr;
  int *refused = user;
  fwrite(text, 1, len, stream);
  if (fflush(stream) == 0 || fd != 1) return;
  if (errno == EPIPE) _exit(0);
  *refused = errno;
}

/* By default glibc gives the top of the heap back to the system at every chance and faults it
 * in again: a tenth of the cost of a small HTTP request. Workers, being forked, inherit this.
 */
static void keep_heap(void) {
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
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
static int flush(int status, int *refused) {
  errno = 0;
  bool failed = fflush(stdout) != 0 || ferror(stdout);
  if (!failed || errno == EPIPE) return status;
  int why = errno ? errno : *refused;
  clearerr(stdout);
  *refused = 0;
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

int main(int argc, char **argv) {
  signal(SIGUSR2, SIG_IGN); /* first: who sends it does not wait. Until cli.stop listens */
  unblock_signals();
  keep_heap();
  if (argc > 1 && strcmp(argv[1], "--forkserver") == 0) serve();
  if (!raise_limit()) return cannot_start();
  int refused = 0;
  luapool_options options = {.forkserver = luapool_fork(),
                             .report = report,
                             .output = output,
                             .user = &refused,
                             .program = "/proc/self/exe"};
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a write beyond `ulimit -f` fails, and says so */
  luapool *rt = luapool_open(&options);
  if (!rt) return cannot_start();
  const char *const *args = (const char *const *)argv + 1;
  int rc = luapool_load_buffer(rt, START, sizeof START - 1, "=luapool", argc - 1, args);
  if (rc == 0) rc = luapool_run(rt);
  if (rc < 0) fprintf(stderr, "luapool: %s\n", luapool_error(rt));
  int status = rc < 0 ? 1 : (int)luapool_result(rt, 0);
  status = flush(status, &refused);
  luapool_close(rt);
  return flush(status, &refused);
}
