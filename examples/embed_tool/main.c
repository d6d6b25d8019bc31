/* A small editor that its users extend in Lua. It reads a text, lets each script change it, and
 * prints what has become of it:
 *
 *     embed_tool TEXT SCRIPT...
 *
 * A script has the module `editor` and the plain libraries, and nothing of the machine. It runs
 * within limits of memory and time; whoever breaks one is stopped, the next script runs. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <luapool.h>

/* ---- the editor, which knows nothing of Lua ---- */

enum { MOST_LINES = 10000, LONGEST_LINE = 1000 };

typedef struct editor {
  char *lines[MOST_LINES];
  int count;
} editor;

static int read_text(editor *e, const char *path) {
  char line[LONGEST_LINE];
  FILE *f = fopen(path, "r");
  if (!f) return -1;
  while (e->count < MOST_LINES && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    if (!(e->lines[e->count] = strdup(line))) break;
    e->count++;
  }
  fclose(f);
  return 0;
}

static void free_text(editor *e) {
  for (int i = 0; i < e->count; i++) free(e->lines[i]);
}

/* ---- plain functions for scripts ---- */

/* Every callback of the runtime has the editor as `user`, and so have C functions. */
static editor *editor_of(lua_State *L) {
  return luapool_user(luapool_of(L));
}

static int check_index(lua_State *L, const editor *e) {
  lua_Integer i = luaL_checkinteger(L, 1);
  luaL_argcheck(L, 1 <= i && i <= e->count, 1, "there is no such line");
  return (int)i - 1;
}

/* editor.count() -> how many lines there are. */
static int editor_count(lua_State *L) {
  lua_pushinteger(L, editor_of(L)->count);
  return 1;
}

/* editor.get(i) -> line i. */
static int editor_get(lua_State *L) {
  editor *e = editor_of(L);
  lua_pushstring(L, e->lines[check_index(L, e)]);
  return 1;
}

/* editor.set(i, text). Whatever may raise comes before anything is allocated. */
static int editor_set(lua_State *L) {
  editor *e = editor_of(L);
  int i = check_index(L, e);
  const char *text = luaL_checkstring(L, 2);
  luaL_argcheck(L, strlen(text) < LONGEST_LINE && !strchr(text, '\n'), 2, "is no line");
  char *copy = strdup(text);
  if (!copy) return luaL_error(L, "not enough memory");
  free(e->lines[i]);
  e->lines[i] = copy;
  return 0;
}

/* ---- an asynchronous function: a thread reads proof while other tasks run ---- */

typedef struct job {
  struct job *next;
  luapool_call *call;
  /* What the thread works on: a copy, because the editor goes on meanwhile. */
  char text[LONGEST_LINE];
  /* Where in `text` the same word stands twice, or -1. */
  int twice;
} job;

static struct {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  job *first, **end; /* jobs in line, and where the next one is put */
  int closing;
} proof = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .changed = PTHREAD_COND_INITIALIZER,
           .end = &proof.first};

static int find_twice(const char *text) {
  size_t before = 0;
  const char *last = "";
  for (const char *word = text; *word; word += strspn(word, " ")) {
    size_t len = strcspn(word, " ");
    if (len && len == before && strncmp(word, last, len) == 0) return (int)(word - text);
    last = word;
    before = len;
    word += len;
  }
  return -1;
}

/* The next job, or NULL when there will be none. */
static job *take_job(void) {
  pthread_mutex_lock(&proof.lock);
  while (!proof.first && !proof.closing) pthread_cond_wait(&proof.changed, &proof.lock);
  job *j = proof.first;
  if (j && !(proof.first = j->next)) proof.end = &proof.first;
  pthread_mutex_unlock(&proof.lock);
  return j;
}

/* The job is the call's: it may be gone once that is answered. */
static void *run_proof(void *arg) {
  for (job *j; (j = take_job());) {
    j->twice = find_twice(j->text);
    luapool_answer(j->call, LUAPOOL_OK);
  }
  return arg;
}

/* Runs in the task when the thread has answered. */
static int push_twice(lua_State *L, luapool_call *call, void *arg) {
  const job *j = arg;
  (void)call;
  if (j->twice < 0) return 0;
  lua_pushinteger(L, j->twice + 1);
  return 1;
}

/* `cancel` is not needed: the work is short, and a late answer is dropped. */
static const luapool_call_class proof_class = {sizeof proof_class, "editor.proofread",
                                               push_twice, NULL, free};

/* editor.proofread(i) -> where line i has the same word twice, or nothing. The task waits. */
static int editor_proofread(lua_State *L) {
  editor *e = editor_of(L);
  int i = check_index(L, e);
  job *j = calloc(1, sizeof *j);
  if (!j) return luaL_error(L, "not enough memory");
  luapool_call *call = luapool_call_new(L, &proof_class, j); /* j is the call's from here on */
  j->call = call;
  strcpy(j->text, e->lines[i]);
  pthread_mutex_lock(&proof.lock);
  *proof.end = j;
  proof.end = &j->next;
  pthread_cond_signal(&proof.changed);
  pthread_mutex_unlock(&proof.lock);
  return luapool_await(L, call, 5);
}

static int open_editor(lua_State *L) {
  static const luaL_Reg functions[] = {{"count", editor_count},
                                       {"get", editor_get},
                                       {"set", editor_set},
                                       {"proofread", editor_proofread},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/* ---- scripts ---- */

/* What scripts print, and errors of tasks that nobody has awaited. */
static void on_text(void *user, int kind, const char *bytes, size_t len) {
  (void)user;
  fwrite(bytes, 1, len, kind == LUAPOOL_TEXT_OUT ? stdout : stderr);
  if (kind == LUAPOOL_TEXT_ERROR) fputc('\n', stderr);
}

static const char *reason(int code) {
  switch (code) {
  case LUAPOOL_ETIME: return "was stopped, it took too long";
  case LUAPOOL_ETASKS: return "was stopped, it began too many tasks";
  case LUAPOOL_EMEMORY: return "was stopped, it wanted too much memory";
  case LUAPOOL_EDENIED: return "was stopped, it wanted what scripts may not do";
  case LUAPOOL_EDEADLOCK: return "was stopped, it waits for what never comes";
  case LUAPOOL_ESYSTEM: return "cannot be read";
  default: return "has failed";
  }
}

/* Runs a script in an environment of its own: no script sees what others leave behind. */
static int run_script(luapool *rt, const char *path) {
  luapool_task *task = NULL;
  luapool_env *env = luapool_env_new(rt, 0);
  if (!env) return fprintf(stderr, "%s: not enough memory\n", path), -1;
  int rc = luapool_load_file(rt, env, path, NULL, 0, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  if (rc < 0) fprintf(stderr, "%s %s:\n%s\n", path, reason(rc), luapool_error(rt));
  luapool_task_cancel(task); /* one that waits for what never comes */
  luapool_task_release(task);
  luapool_env_release(env);
  return rc;
}

static int open_runtime(luapool **rt, editor *e) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.user = e;
  options.text = on_text;
  options.allowed = 0; /* no files, no network, no programs */
  options.memory = 16 << 20;
  options.tasks = 1000;
  options.task_us = 200000;
  options.block_us = 100000;
  int rc = luapool_open(rt, &options);
  if (rc == LUAPOOL_OK) rc = luapool_module(*rt, "editor", open_editor);
  return rc;
}

int main(int argc, char **argv) {
  static editor e;
  luapool *rt = NULL;
  int failed = 0;
  if (argc < 3) return fprintf(stderr, "usage: embed_tool TEXT SCRIPT...\n"), 2;
  if (read_text(&e, argv[1]) < 0)
    return fprintf(stderr, "%s: %s\n", argv[1], strerror(errno)), 2;
  if (pthread_create(&proof.thread, NULL, run_proof, NULL) != 0)
    return fprintf(stderr, "no thread can be made\n"), 2;
  int rc = open_runtime(&rt, &e);
  if (rc < 0) fprintf(stderr, "no runtime can be opened: code %d\n", rc);
  for (int i = 2; i < argc && rc == LUAPOOL_OK; i++) failed += run_script(rt, argv[i]) < 0;
  luapool_close(rt);

  /* Calls may be answered after the runtime is closed, so the thread ends last. */
  pthread_mutex_lock(&proof.lock);
  proof.closing = 1;
  pthread_cond_signal(&proof.changed);
  pthread_mutex_unlock(&proof.lock);
  pthread_join(proof.thread, NULL);

  for (int i = 0; i < e.count; i++) puts(e.lines[i]);
  free_text(&e);
  return rc < 0 || failed;
}
