/* luapool.h: all that a program sees which has luapool inside.
 *
 * A `luapool` is a runtime: a Lua 5.4 state on an event loop, whose tasks are coroutines that
 * wait without blocking anything, and the worker processes of the pools that scripts make. A
 * program's life with it, from top to bottom as in this file:
 *
 *     luapool_options options = LUAPOOL_OPTIONS;
 *     luapool *rt;
 *     luapool_task *task;
 *     if (luapool_open(&rt, &options) < 0) return 1;
 *     if (luapool_load(rt, NULL, source, strlen(source), "=main", NULL, 0, &task) < 0 ||
 *         luapool_run(rt, task) < 0)
 *       fprintf(stderr, "%s\n", luapool_error(rt));
 *     luapool_task_release(task);
 *     luapool_close(rt);
 *
 * Each function says where it may be called: [R] in the thread that holds the runtime, [A] in
 * any thread, [S] in a signal handler too. No thread owns a runtime: any may hold it, one at a
 * time, and several runtimes may live in one thread or in many. No function prints, exits,
 * aborts, or raises a Lua error, but those that say so. The guide is docs/embedding.md. */
#ifndef LUAPOOL_H
#define LUAPOOL_H

#include <stddef.h>
#include <stdint.h>

#ifndef LUAPOOL_API
#define LUAPOOL_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* 10000 * major + 100 * minor + patch of this header; luapool_version_number tells that of the
 * library. Until 1.0 another minor number may mean another ABI, and another soname then. */
#define LUAPOOL_VERSION_NUMBER 200

struct lua_State;
struct uv_loop_s;

/* A runtime. */
typedef struct luapool luapool;

/* A counted reference to a task. */
typedef struct luapool_task luapool_task;

/* A call of an asynchronous C function that waits for its answer. */
typedef struct luapool_call luapool_call;

/* An environment, in which scripts run. */
typedef struct luapool_env luapool_env;

/* ---- codes ---- */

/* Functions that return an int return one of these, or a count. 0 and more is success. They are
 * no enum: others may be added. */
#define LUAPOOL_OK 0

/* There is work that could go on now. */
#define LUAPOOL_MORE 1

/* The text is no Lua. */
#define LUAPOOL_ESYNTAX (-1)

/* A script raised an error. */
#define LUAPOOL_ERUN (-2)

/* There is no memory: the ceiling of the options is reached, or the system has none. */
#define LUAPOOL_EMEMORY (-3)

/* A budget of CPU is used up. */
#define LUAPOOL_ETIME (-4)

/* The task was cancelled. */
#define LUAPOOL_ECANCELLED (-5)

/* Nothing can wake any task any more. */
#define LUAPOOL_EDEADLOCK (-6)

/* The sandbox, or the host's `allow`, has refused something. */
#define LUAPOOL_EDENIED (-7)

/* The function was called by a callback or by a C function of this runtime, where it may not
 * be. */
#define LUAPOOL_EINSIDE (-8)

/* An argument is wrong: a size or a version that this library does not know, an index, a name.
 */
#define LUAPOOL_EARGUMENT (-9)

/* The system has refused something; luapool_error tells errno in words. */
#define LUAPOOL_ESYSTEM (-10)

/* The functions lua_* of this process are not those of Lua 5.4: LuaJIT, say, is linked before
 * luapool. */
#define LUAPOOL_ELUA (-11)

/* As many tasks live as the options allow. */
#define LUAPOOL_ETASKS (-12)

/* ---- values ---- */

enum {
  LUAPOOL_NIL,
  LUAPOOL_BOOLEAN, /* as.integer is 0 or 1 */
  LUAPOOL_INTEGER,
  LUAPOOL_NUMBER,
  LUAPOOL_STRING,
  LUAPOOL_POINTER, /* a light userdata */
  LUAPOOL_OTHER    /* a table, function, userdata or coroutine: for these there is lua.h */
};

/* A plain Lua value, for hosts that do not include lua.h. A string may hold any byte. Those
 * that the host passes must live during the call; those of a result live until the task is
 * released or the runtime is closed, and end with a zero byte that `len` does not count. */
typedef struct luapool_value {
  int32_t type;
  int32_t reserved; /* 0 */
  union {
    int64_t integer;
    double number;
    struct {
      const char *bytes;
      size_t len;
    } string;
    void *pointer;
  } as;
} luapool_value;

/* ---- options ---- */

/* What scripts may do beyond computing: bits of `allowed`. 0 is the sandbox. */
#define LUAPOOL_ALLOW_NET      1u
#define LUAPOOL_ALLOW_READ     2u
#define LUAPOOL_ALLOW_WRITE    4u
#define LUAPOOL_ALLOW_EXEC     8u
#define LUAPOOL_ALLOW_POOLS    16u  /* workers have the same bits */
#define LUAPOOL_ALLOW_BYTECODE 32u  /* load of compiled chunks, string.dump */
#define LUAPOOL_ALLOW_NATIVE   64u  /* package.loadlib, C modules */
#define LUAPOOL_ALLOW_DEBUG    128u /* the debug library */
#define LUAPOOL_ALLOW_PROCESS  256u /* os.exit, os.setlocale, os.getenv, signals, stdin */
#define LUAPOOL_ALLOW_ALL      (~0u)

/* What a text is that `text` gets. */
#define LUAPOOL_TEXT_OUT     1 /* print, io.stdout, what workers write there: any bytes */
#define LUAPOOL_TEXT_ERR     2 /* io.stderr, what workers write there: any bytes */
#define LUAPOOL_TEXT_LOG     3 /* of luapool.log, jobs and bars, without the end of its line */
#define LUAPOOL_TEXT_DUMP    4 /* what every task waits for, likewise */
#define LUAPOOL_TEXT_ERROR   5 /* message and traceback of an error that nobody has awaited */
#define LUAPOOL_TEXT_WARNING 6 /* of `warn` */

/* Begin with LUAPOOL_OPTIONS. Fields are only ever added at the end; 0 is each one's default.
 * Callbacks run in the thread that holds the runtime, but `alloc`; they may call the functions
 * marked [A], and those that ask, but none that drives or closes the runtime. */
typedef struct luapool_options {
  /* sizeof(luapool_options), by which the library knows which fields there are. */
  size_t size;

  /* The first argument of every callback. */
  void *user;

  /* The allocator of the Lua state, as lua_Alloc; NULL: luapool's own. */
  void *(*alloc)(void *user, void *block, size_t old_size, size_t new_size);

  /* It is given all that scripts and workers write, log lines, dumps and errors that nobody has
   * awaited. NULL: they are dropped. `bytes` is valid during the call. An OUT or ERR of no
   * bytes asks that what came before be seen now: io.flush, whole lines of workers. */
  void (*text)(void *user, int kind, const char *bytes, size_t len);

  /* `require` asks it before it looks into the file system. It returns 1 and the source text
   * and its chunk name ("@pak/actors.lua"), or 0. Both stay the host's and must live until the
   * next call of a callback. */
  int (*load)(void *user, const char *module, const char **bytes, size_t *len,
              const char **chunk);

  /* It is asked for each path, URL (of each redirect, too), address and program that a script
   * whose bits allow it wants; `what` is one of LUAPOOL_ALLOW_*. It returns 1 to allow it.
   * NULL: the bits decide alone. They do so in worker processes, too, which cannot ask. */
  int (*allow)(void *user, unsigned what, const char *subject);

  /* A budget broke: of time, memory, tasks or stack. `task` is NULL when the host has no
   * reference to the one that broke it. `traceback` is where it was. */
  void (*limit)(void *user, int code, luapool_task *task, const char *traceback);

  /* Microseconds of a clock of the host, on which sleeps, timeouts and timers stand; it must
   * not go back. NULL: the system's monotonic clock. */
  int64_t (*clock)(void *user);

  /* Of math.random and of the order in which `pairs` visits. 0: another one each time. */
  uint64_t seed;

  /* What scripts in the shared environment may do: bits of LUAPOOL_ALLOW_*. */
  unsigned allowed;

  /* A signal, SIGVTALRM say, that the runtime may use while it runs tasks: then budgets and
   * slices cost next to nothing. Its handler is put back when the last runtime that uses it
   * closes. 0: none; a count hook serves those who set budgets, and costs as much again as the
   * script. */
  int signal;

  /* The program that pools start as `program --forkserver`, and which then calls luapool_serve:
   * "/proc/self/exe" for the host itself. NULL: the luapool that was installed with the
   * library, or one in the PATH. */
  const char *program;

  /* From luapool_fork; may be given to several runtimes. 0: none, so pools start `program`. */
  int forkserver;

  /* The ceiling of memory in bytes, that of bindings included. A script that wants more gets an
   * error of kind `memory`. */
  size_t memory;

  /* How many tasks may live at once. A promise is one until it is settled. */
  size_t tasks;

  /* Microseconds of CPU that a task may use between two waits. Then it is closed, and no pcall
   * catches it. */
  int64_t task_us;

  /* Microseconds of CPU that a function may use which cannot be suspended (the callback of
   * table.sort, a finalizer, the text of luapool_reload). Then the error is raised in it, again
   * and again. */
  int64_t block_us;

  /* Microseconds of CPU after which other tasks have their turn. */
  int64_t slice_us;

  /* Microseconds that luapool_close waits for tasks to unwind; 0: 100,000. */
  int64_t close_us;

  /* Bytes of the C stack that scripts may use; 0: what the thread has left. With less than some
   * 700 KiB, calls of Lua by C functions can be nested less than 200 times. */
  size_t stack;

  /* Threads for files and look-ups, which all runtimes of the process share: libuv's, whose
   * number the first runtime decides. 0: as libuv has it. */
  unsigned threads;
} luapool_options;

#define LUAPOOL_OPTIONS                                                                        \
  { sizeof(luapool_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ---- life ---- */

/* [A] The version of the library, as LUAPOOL_VERSION_NUMBER, and as text: "0.2.0". */
LUAPOOL_API unsigned luapool_version_number(void);
LUAPOOL_API const char *luapool_version(void);

/* [A] Opens a runtime. NULL options are all defaults: a sandbox. *rt is NULL when it fails,
 * with EMEMORY, EARGUMENT, ESYSTEM or ELUA. */
LUAPOOL_API int luapool_open(luapool **rt, const luapool_options *options);

/* [R] Opens a runtime in a Lua state, on a loop, or both, of the host; either may be NULL. It
 * adds luapool's modules to `L`, and changes none of its globals. `L` is a main thread that no
 * other runtime is attached to. The host turns `loop`, and closes both after the runtime. */
LUAPOOL_API int luapool_attach(luapool **rt, struct lua_State *L, struct uv_loop_s *loop,
                               const luapool_options *options);

/* [R] Cancels all tasks, gives them close_us to unwind, ends all workers and gives everything
 * back. References to tasks stay valid until they are released. On a loop of the host, nothing
 * of the host's runs meanwhile. NULL is fine. Returns OK or EINSIDE. */
LUAPOOL_API int luapool_close(luapool *rt);

/* [R] Message, with a traceback if there is one, of the last call of this runtime if that
 * failed, else "". Valid until the next call. NULL: of the last luapool_open or luapool_attach
 * in this thread. */
LUAPOOL_API const char *luapool_error(luapool *rt);

/* ---- driving ---- */

/* [R] Does what there is to do, for at most so many microseconds and half a millisecond,
 * whatever scripts do: the share of the garbage collector (at most 15 %), timers, IO, tasks.
 * For a game, once a frame. Returns MORE when tasks are left that could run now, OK when all
 * wait, for ever too, or EINSIDE. */
LUAPOOL_API int luapool_step(luapool *rt, int64_t budget_us);

/* [R] Runs until a task has ended, and returns what luapool_task_status tells then; `until`
 * NULL: until all tasks have ended, OK. EDEADLOCK when nothing can wake them any more: the
 * runtime stays usable. MORE after luapool_interrupt. */
LUAPOOL_API int luapool_run(luapool *rt, luapool_task *until);

/* [R] A descriptor that is readable when luapool_step has something to do, for poll() in
 * another loop, which must not sleep longer than luapool_timeout_us tells. Or ESYSTEM. */
LUAPOOL_API int luapool_fd(luapool *rt);

/* [R] Microseconds until luapool_step has something to do if the descriptor does not become
 * readable before: 0 now, -1 never. */
LUAPOOL_API int64_t luapool_timeout_us(luapool *rt);

/* [S] A luapool_run or luapool_step that goes on now returns soon, else the next one does. The
 * runtime must not be closed meanwhile. */
LUAPOOL_API void luapool_interrupt(luapool *rt);

/* [R] Collects garbage for at most so many microseconds: for loading screens. Returns MORE
 * while a cycle is not complete, else OK. */
LUAPOOL_API int luapool_gc(luapool *rt, int64_t budget_us);

/* ---- scripts ---- */

/* [R] Makes an environment: globals and a `require` cache of its own, over libraries that no
 * script can change; what runs there may do what `allowed` says. NULL: no memory. */
LUAPOOL_API luapool_env *luapool_env_new(luapool *rt, unsigned allowed);

/* [R] Lets go of an environment; tasks in it run on. NULL is fine. */
LUAPOOL_API void luapool_env_release(luapool_env *env);

/* [R] Compiles source text; it becomes a task that starts when the runtime is driven next, with
 * the arguments as its `...`. `chunk` names it in messages: "@game.lua" for a file, "=name" for
 * others. `env` NULL: the shared environment. `task` NULL: nobody awaits it, and its error goes
 * to `text`; else *task is a reference, NULL on failure. Returns OK, ESYNTAX, EMEMORY. */
LUAPOOL_API int luapool_load(luapool *rt, luapool_env *env, const char *bytes, size_t len,
                             const char *chunk, const luapool_value *args, int n,
                             luapool_task **task);

/* [R] The same for a file. ESYSTEM when it cannot be read. */
LUAPOOL_API int luapool_load_file(luapool *rt, luapool_env *env, const char *path,
                                  const luapool_value *args, int n, luapool_task **task);

/* [R] The same for a function: a global, "on_key", or a field of one or of a module that was
 * loaded, "game.on_key". ERUN when there is none. */
LUAPOOL_API int luapool_start(luapool *rt, luapool_env *env, const char *function,
                              const luapool_value *args, int n, luapool_task **task);

/* [R] Runs `bytes` as the new text of a module, which takes the place of the old one: `require`
 * and luapool_start find the new one, tasks that run end with the old code. When the new module
 * is a table with a function __reload, that is called with the old module, to hand state over.
 * On an error everything is as it was. The text may not wait. */
LUAPOOL_API int luapool_reload(luapool *rt, luapool_env *env, const char *module,
                               const char *bytes, size_t len, const char *chunk);

/* ---- tasks ---- */

/* [R] MORE while it lives; then OK, or the code that it failed with. ECANCELLED for one that
 * the runtime was closed under. */
LUAPOOL_API int luapool_task_status(luapool_task *task);

/* [R] Puts the i-th result, from 0 on, into *value, which is nil where there is none; `value`
 * may be NULL. Returns how many there are, 0 while it lives, or the code that it failed with.
 */
LUAPOOL_API int luapool_task_result(luapool_task *task, int i, luapool_value *value);

/* [R] Message and traceback of a task that has failed, else "". Valid until it is released. */
LUAPOOL_API const char *luapool_task_error(luapool_task *task);

/* [R] Has `ended` called once at the end of the task, in the call that drives the runtime; at
 * once when it has ended. One watcher for each reference. OK or EARGUMENT. */
LUAPOOL_API int luapool_task_watch(luapool_task *task,
                                   void (*ended)(void *user, luapool_task *task), void *user);

/* [A] Asks the task to end: its next wait, or the one that it is in, raises an error of kind
 * `cancelled`. */
LUAPOOL_API void luapool_task_cancel(luapool_task *task);

/* [A] Gives a reference back; the task runs on. NULL is fine. */
LUAPOOL_API void luapool_task_release(luapool_task *task);

/* ---- with lua.h ---- */

/* [R] Calls f(L) in protected mode with `arg` as a light userdata on the stack: the only way to
 * touch the Lua state from outside. */
LUAPOOL_API int luapool_protect(luapool *rt, int (*f)(struct lua_State *L), void *arg);

/* [R] Offers a module of the host's to `require`, in every environment: `open` is called when a
 * script first requires it there. */
LUAPOOL_API int luapool_module(luapool *rt, const char *name, int (*open)(struct lua_State *L));

/* [R] In a C function: the runtime that calls it. */
LUAPOOL_API luapool *luapool_of(struct lua_State *L);

/* [R] `user` of the runtime's options: how a C function finds what is the host's. */
LUAPOOL_API void *luapool_user(luapool *rt);

/* [R] In a C function: makes a task of the function and its n arguments on top of the stack,
 * which are popped. May raise. */
LUAPOOL_API int luapool_start_top(struct lua_State *L, int n, luapool_task **task);

/* [R] In a C function: pushes all results of a task and returns how many, or returns the code
 * of one that has failed and pushes its error. May raise. */
LUAPOOL_API int luapool_results(luapool_task *task, struct lua_State *L);

/* [R] In a C function: as lua_pcallk, through which waits and time slices pass: the
 * continuation `k` goes on then. May raise. */
LUAPOOL_API int luapool_pcall(struct lua_State *L, int n, int results,
                              int (*k)(struct lua_State *L, int status, intptr_t ctx),
                              intptr_t ctx);

/* ---- asynchronous C functions ---- */

/* A C function that a thread of the host's answers:
 *
 *     static int lookup(lua_State *L) {
 *       job *j = new_job(luaL_checkstring(L, 1));
 *       j->call = luapool_call_new(L, &lookup_class, j);   // from here on it frees j
 *       luapool_call *call = j->call;
 *       give_to_a_thread(j);                               // which calls luapool_answer
 *       return luapool_await(L, call, -1);
 *     }
 */
typedef struct luapool_call_class {
  /* sizeof(luapool_call_class). */
  size_t size;

  /* What the task waits for, in dumps and messages. */
  const char *name;

  /* [R] Called in the task when the call was answered: pushes the results and returns how many,
   * or raises, say when luapool_call_status is negative. It may not wait. NULL: there are no
   * results, and a negative status becomes an error. It is not called for ECANCELLED: that is
   * the error of the cancellation or of the timeout, if there was one. */
  int (*results)(struct lua_State *L, luapool_call *call, void *arg);

  /* [R] The task waits no longer: it was cancelled, its timeout is over, the runtime closes, or
   * its function failed before it waited. Called once at most; the task goes on when the host
   * has answered, here or soon. Another thread may have answered a moment ago. NULL: the task
   * goes on at once, and the answer is dropped when it comes. */
  void (*cancel)(luapool_call *call, void *arg);

  /* Frees `arg`, once, last of all: [R], or in luapool_answer, in the thread that answers, when
   * the runtime is closed by then. NULL: there is nothing to free. */
  void (*free)(void *arg);
} luapool_call_class;

/* [R] In a C function of a task: makes a call, which luapool_answer must answer exactly once.
 * The class must outlive it. `arg` is the call's from now on, even when this raises: `free` was
 * called then, but when the class has a size that this library does not know. */
LUAPOOL_API luapool_call *luapool_call_new(struct lua_State *L, const luapool_call_class *kind,
                                           void *arg);

/* [R] Waits for the answer, `timeout` seconds at most, or for ever when that is negative. Use
 * it as `return luapool_await(L, call, -1)`: nothing of the calling function runs afterwards.
 */
LUAPOOL_API int luapool_await(struct lua_State *L, luapool_call *call, double timeout);

/* [A] Answers a call, exactly once, before or while the task waits, or when it does no longer;
 * also after the runtime was closed. `status` is 0 or more, or a negative code. The call may be
 * gone when this returns. */
LUAPOOL_API void luapool_answer(luapool_call *call, int status);

/* [R] What the call was answered with: for `results`. */
LUAPOOL_API int luapool_call_status(const luapool_call *call);

/* ---- pools ---- */

/* Forks the process from which workers are forked. The first thing in main(), before there are
 * threads. Returns what `forkserver` of the options takes, or ESYSTEM; pools start one in the
 * other way then. One process serves all runtimes. It ends with luapool_unfork, or with the
 * host. */
LUAPOOL_API int luapool_fork(void);

/* [A] Ends what luapool_fork has made, now or with the last runtime that uses it, and waits for
 * its end. What is no such process is ignored. */
LUAPOOL_API void luapool_unfork(int forkserver);

/* What a program does whose argv[1] is "--forkserver". Returns its exit code. */
LUAPOOL_API int luapool_serve(void);

/* ---- figures ---- */

typedef struct luapool_stats {
  /* sizeof(luapool_stats). */
  size_t size;

  /* Bytes of the Lua state; bytes that libraries hold for it. */
  size_t lua_bytes, native_bytes;

  /* Tasks that live; those of them that could run now; calls that wait for an answer; worker
   * processes. */
  size_t tasks, ready, calls, workers;

  /* Microseconds of CPU of the last step: all of it, what the collector took, the longest time
   * that one task ran. */
  int64_t cpu_us, gc_us, longest_us;
} luapool_stats;

/* [R] Fills *stats, whose `size` is set. */
LUAPOOL_API int luapool_get_stats(luapool *rt, luapool_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
