/* A host that has LuaJIT linked and loads luapool with a scope of its own has both: luapool and
 * its Lua 5.4 see each other before they see LuaJIT.
 * first: -l:libluajit-5.1.so.2
 * without: luapool */
#include <dlfcn.h>
#include <luapool.h>

#include "check.h"

typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *L);
int luaL_loadstring(lua_State *L, const char *text);
int lua_pcall(lua_State *L, int n, int results, int handler); /* a macro in Lua 5.4 */
const char *lua_tolstring(lua_State *L, int index, size_t *len);
void lua_close(lua_State *L);

static struct {
  int (*open)(luapool **rt, const luapool_options *options);
  int (*load)(luapool *rt, luapool_env *env, const char *bytes, size_t len, const char *chunk,
              const luapool_value *args, int n, luapool_task **task);
  int (*run)(luapool *rt, luapool_task *until);
  int (*result)(luapool_task *task, int i, luapool_value *value);
  void (*release)(luapool_task *task);
  int (*close)(luapool *rt);
  const char *(*error)(luapool *rt);
} lib;

/* As POSIX has it, a function's address comes as that of an object. */
static void find(void *library, const char *name, void *function) {
  *(void **)function = dlsym(library, name);
  CHECK(*(void **)function != NULL);
}

static void find_all(void *library) {
  find(library, "luapool_open", &lib.open);
  find(library, "luapool_load", &lib.load);
  find(library, "luapool_run", &lib.run);
  find(library, "luapool_task_result", &lib.result);
  find(library, "luapool_task_release", &lib.release);
  find(library, "luapool_close", &lib.close);
  find(library, "luapool_error", &lib.error);
}

static void run_script(void) {
  static const char source[] = "local task = require 'luapool.task' "
                               "task.sleep(0.001) "
                               "return _VERSION .. ' ' .. require('luapool.json').encode { 1 }";
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL & ~LUAPOOL_ALLOW_NATIVE;
  luapool *rt;
  luapool_task *task;
  luapool_value value = {0};
  if (!CHECK_INT(LUAPOOL_OK, lib.open(&rt, &options))) return;
  lib.load(rt, NULL, source, sizeof source - 1, "=scope", NULL, 0, &task);
  CHECK_INT(LUAPOOL_OK, lib.run(rt, task));
  CHECK_TEXT("", lib.error(rt));
  CHECK_INT(1, lib.result(task, 0, &value));
  CHECK_TEXT("Lua 5.4 [1]", value.as.string.bytes);
  lib.release(task);
  CHECK_INT(LUAPOOL_OK, lib.close(rt));
}

static void own_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK_INT(0, luaL_loadstring(L, "return jit.version"));
  CHECK_INT(0, lua_pcall(L, 0, 1, 0));
  CHECK_LIKE("LuaJIT", lua_tolstring(L, -1, NULL));
  lua_close(L);
}

/* The runtime of a sanitizer ends a program that uses RTLD_DEEPBIND. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { REFUSED = 1 };
#else
enum { REFUSED = 0 };
#endif

int main(void) {
  own_state();
  if (REFUSED) {
    check_report(1, __FILE__, __LINE__, "luapool # SKIP a sanitizer refuses RTLD_DEEPBIND");
    return check_done();
  }
  void *library = dlopen("libluapool.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (CHECK(library != NULL)) {
    find_all(library);
    run_script();
  }
  own_state();
  return check_done();
}
