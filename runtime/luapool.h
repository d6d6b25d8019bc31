/* luapool.h: all that a program sees which embeds luapool, or is built on it.
 *
 * A `luapool` is one runtime: a Lua 5.4 state on an event loop, whose tasks are coroutines that
 * wait without blocking the loop, and the worker processes of the pools that its scripts make.
 * Several may live in one process, each used by one thread. Nothing is printed, no process is
 * ended, and no signal handler is installed but as the options say.
 *
 * A program's life with it:
 *
 *     luapool_options options = {.forkserver = luapool_fork()};   // first thing in main()
 *     luapool *rt = luapool_open(&options);
 *     luapool_load_file(rt, "job.lua", argc, argv);
 *     int status = luapool_run(rt);
 *     luapool_close(rt);
 */
#ifndef LUAPOOL_H
#define LUAPOOL_H

#include <stdbool.h>
#include <stddef.h>

#define LUAPOOL_API __attribute__((visibility("default")))

typedef struct luapool luapool;

/* The process that forks workers: its control socket and pid; a zeroed struct means "none". */
typedef struct luapool_forkserver {
  int socket;
  int pid;
} luapool_forkserver;

typedef struct luapool_options {
  /* From luapool_fork. Without one, `program` is started when the first pool is made. */
  luapool_forkserver forkserver;

  /* Path of the installed `luapool` program; NULL: "luapool" in the PATH. */
  const char *program;

  /* Seconds of CPU after which a task that does not wait is suspended so that others run. 0:
   * never. Needs the signal SIGVTALRM: a positive value allows its use in the thread that runs
   * the runtime. (A script's XPath query needs SIGPROF while it is evaluated.) */
  double slice;

  /* Told of errors that no task has awaited, of those that finalizers raise, and of what `warn`
   * says after "@on": message and traceback, without a final newline. May be NULL. `text` is
   * valid during the call. */
  void (*report)(void *user, const char *text);

  /* Given what workers write: whole lines, for the host's stdout (1) or stderr (2). May be
   * NULL. */
  void (*output)(void *user, int fd, const char *text, size_t len);
  void *user;
} luapool_options;

/* Forks the small process from which workers are forked. Call it as early as possible, before
 * any thread exists. Returns a zeroed struct when it fails; pools then start one in the other
 * way. */
LUAPOOL_API luapool_forkserver luapool_fork(void);

/* Opens a runtime. `options` may be NULL and need not outlive the call. Returns NULL when
 * memory or descriptors are short. */
LUAPOOL_API luapool *luapool_open(const luapool_options *options);

/* Loads a file of Lua source, which will be the main task when luapool_run is called; `args`
 * (may be NULL when n is 0) become its `...`. Returns 0, or a negative code: see luapool_error.
 * When one main task has ended another one may be loaded, not before. */
LUAPOOL_API int luapool_load_file(luapool *rt, const char *path, int n,
                                  const char *const *args);

/* The same for `len` bytes of Lua source, called `name` in messages. */
LUAPOOL_API int luapool_load_buffer(luapool *rt, const char *bytes, size_t len,
                                    const char *name, int n, const char *const *args);

/* Runs the main task, and all others beside it, until it has ended. Returns 0, or a negative
 * code when it failed or was stopped: see luapool_error. */
LUAPOOL_API int luapool_run(luapool *rt);

/* The integer that the main task has returned, or `otherwise` when it is no integer. */
LUAPOOL_API long long luapool_result(luapool *rt, long long otherwise);

/* Message and traceback of the last failure of this runtime, or "". Valid until the next call.
 */
LUAPOOL_API const char *luapool_error(luapool *rt);

/* Asks the main task to end: its next wait, or the one that it is in, raises an error of kind
 * `cancelled`. May be called from callbacks of the runtime's loop. */
LUAPOOL_API void luapool_stop(luapool *rt);

/* Cancels all tasks, terminates all workers and gives everything back. NULL is fine. */
LUAPOOL_API void luapool_close(luapool *rt);

/* What `luapool --forkserver` does: serves as the forkserver on descriptor 3. Returns the exit
 * code. */
LUAPOOL_API int luapool_serve(void);

/* "0.1.0" */
LUAPOOL_API const char *luapool_version(void);

#endif
