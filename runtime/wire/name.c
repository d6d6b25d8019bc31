/* wire/name.c: values that travel by name.
 *
 * The map from values to names is made of package.loaded when it is first needed, and dropped
 * when a module is added there (its __newindex says so), so that a table costs one look-up and
 * no search. A value with several names gets the one that any receiver has most likely: see
 * rank. Layer: wire. Owner: the Lua state (a table in the registry). */
#include "runtime/wire/name.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/loop/env.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/scripts.h"

static const char key; /* its address is the key in the registry */

static void new_weak(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

/* Makes the wire's memory in this Lua state and pushes it. */
static void open_memory(lua_State *L) {
  lua_createtable(L, LP_MEMORY_LEARNED, 0);
  lua_pushboolean(L, false);
  lua_rawseti(L, -2, LP_MEMORY_NAMES);
  lua_pushboolean(L, false);
  lua_rawseti(L, -2, LP_MEMORY_OTHERS);
  lua_newtable(L);
  lua_rawseti(L, -2, LP_MEMORY_NAMED);
  new_weak(L);
  lua_rawseti(L, -2, LP_MEMORY_CLOSURES);
  lua_newtable(L);
  lua_rawseti(L, -2, LP_MEMORY_PROTOS);
  lua_newtable(L);
  lua_rawseti(L, -2, LP_MEMORY_LEARNED);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

static void push_memory(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  open_memory(L);
}

void lp_name_memory(lua_State *L, lp_memory table) {
  push_memory(L);
  lua_rawgeti(L, -1, table);
  lua_remove(L, -2);
}

/* Drops the maps of names: they are made again when they are needed next. */
static void drop_maps(lua_State *L) {
  push_memory(L);
  lua_pushboolean(L, false);
  lua_rawseti(L, -2, LP_MEMORY_NAMES);
  lua_pushboolean(L, false);
  lua_rawseti(L, -2, LP_MEMORY_OTHERS);
  lua_pop(L, 1);
}

/* The __newindex of package.loaded: a module is added. */
static int watch(lua_State *L) {
  lua_settop(L, 3);
  lua_rawset(L, 1);
  drop_maps(L);
  return 0;
}

/* Puts the watch on package.loaded, on top of the stack; false when it has another metatable.
 */
static bool watch_loaded(lua_State *L) {
  if (lua_getmetatable(L, -1)) {
    lua_pushliteral(L, "__newindex");
    lua_rawget(L, -2);
    bool ours = lua_tocfunction(L, -1) == watch;
    lua_pop(L, 2);
    return ours;
  }
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, watch);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable"); /* it writes into any table, so no script may have it */
  lua_setmetatable(L, -2);
  return true;
}

static bool is_one_of(const char *name, const char *const *list) {
  while (*list && strcmp(*list, name) != 0) list++;
  return *list != NULL;
}

static const char *const standard[] = {"coroutine", "debug",  "io",    "math", "os",
                                       "package",   "string", "table", "utf8", NULL};

static const char *const base[] = {
    "assert",   "collectgarbage", "dofile",  "error",  "getmetatable", "ipairs",   "load",
    "loadfile", "next",           "pairs",   "pcall",  "print",        "rawequal", "rawget",
    "rawlen",   "rawset",         "require", "select", "setmetatable", "tonumber", "tostring",
    "type",     "warn",           "xpcall",  NULL};

static bool is_luapool(const char *module) {
  return strncmp(module, "luapool", 7) == 0 && (module[7] == '.' || module[7] == 0);
}

/* True for what no environment has, as it is loaded for luapool's own scripts alone. */
static bool is_internal(const char *module) {
  size_t len = strlen(module);
  return is_luapool(module) && (strncmp(module, "luapool.internal.", 17) == 0 ||
                                (len > 5 && strcmp(module + len - 5, ".core") == 0));
}

/* How good a name is; the lowest is the best. In this order: a name given by lp_wire_name, a
 * module that every receiver has, another module, a function of a standard library, a function
 * of another module, a global that some script may have made. */
static int rank(const char *name) {
  const char *module = name + 1, *field = module + strlen(module) + 1;
  if (*name == 'N') return 0;
  if (*name == 'M') return is_luapool(module) || is_one_of(module, standard) ? 1 : 2;
  if (strcmp(module, "_G") == 0) return is_one_of(field, base) ? 3 : 5;
  return is_one_of(module, standard) ? 3 : 4;
}

static bool better(const char *name, const char *than) {
  int a = rank(name), b = rank(than);
  if (a != b) return a < b;
  int order = strcmp(name, than);
  return order ? order < 0 : strcmp(name + strlen(name) + 1, than + strlen(than) + 1) < 0;
}

/* Names the value at `value` in `map` with the string on top, unless it has a better name; pops
 * it. */
static void enter(lua_State *L, int map, int value) {
  lua_pushvalue(L, value);
  bool named = lua_rawget(L, map) == LUA_TSTRING;
  bool take = !named || better(lua_tostring(L, -2), lua_tostring(L, -1));
  lua_pop(L, 1);
  if (take) {
    lua_pushvalue(L, value);
    lua_insert(L, -2);
    lua_rawset(L, map);
  } else {
    lua_pop(L, 1);
  }
}

/* True when the Lua function on top, a field of `module`, is one that luapool has put in the
 * place of a standard function. */
static bool is_replacement(lua_State *L, const char *module) {
  if (strcmp(module, "_G") != 0 && !is_one_of(module, standard)) return false;
  lua_Debug ar;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">S", &ar);
  return lp_script_flags(&ar) & LP_SCRIPT_OURS;
}

static bool is_frozen(lua_State *L) {
  bool frozen = lp_frozen_open(L, -1);
  if (frozen) lua_pop(L, 1);
  return frozen;
}

/* True when this field of a module, on top, travels by name. Lua functions travel as bytecode,
 * except those of luapool. */
static bool is_named_field(lua_State *L, const char *module) {
  switch (lua_type(L, -1)) {
  case LUA_TFUNCTION:
    return lua_iscfunction(L, -1) || is_luapool(module) || is_replacement(L, module);
  case LUA_TUSERDATA: return strcmp(module, "io") == 0;
  case LUA_TLIGHTUSERDATA: return true;
  case LUA_TTABLE: return is_frozen(L);
  default: return false;
  }
}

/* Names the fields of the module on top of the stack. */
static void enter_fields(lua_State *L, int map, const char *module) {
  if (!lp_frozen_open(L, -1)) lua_pushvalue(L, -1);
  int table = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (lua_type(L, -2) == LUA_TSTRING && is_named_field(L, module)) {
      lua_pushliteral(L, "F");
      lua_pushstring(L, module);
      lua_pushlstring(L, "", 1);
      lua_pushvalue(L, table + 1);
      lua_concat(L, 4);
      enter(L, map, table + 2);
    }
    lua_settop(L, table + 1);
  }
  lua_settop(L, table - 1);
}

/* Names the module whose name and value are on top of the stack, and its fields. */
static void enter_module(lua_State *L, int map) {
  int type = lua_type(L, -1);
  bool object = type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA;
  if (!object || lua_type(L, -2) != LUA_TSTRING) return;
  int value = lua_gettop(L);
  const char *name = lua_tostring(L, value - 1);
  lua_pushfstring(L, "M%s", name);
  enter(L, map, value);
  if (type == LUA_TTABLE) enter_fields(L, map, name);
}

static void enter_given(lua_State *L, int map) {
  lp_name_memory(L, LP_MEMORY_NAMED);
  int named = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, named); lua_pop(L, 1)) {
    lua_pushfstring(L, "N%s", lua_tostring(L, -2));
    enter(L, map, named + 2);
  }
  lua_pop(L, 1);
}

/* Names the modules in package.loaded of an environment, which is pushed. Functions of
 * luapool's own scripts hold modules of the free one, which those of other environments do not
 * have. What a script has put under such a name is not called that: the receiver would give it
 * the module. */
static void enter_loaded(lua_State *L, int map, unsigned environment) {
  lp_environment_push(L, environment, LP_ENVIRONMENT_LOADED);
  int loaded = lua_gettop(L);
  bool all = environment == lp_environment_current(L);
  for (lua_pushnil(L); lua_next(L, loaded); lua_settop(L, loaded + 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    bool forged = environment && is_internal(name);
    if (!forged && (all || is_luapool(name))) enter_module(L, map);
  }
}

/* Stack: the memory. Pushes the table of the maps of environments. */
static void push_others(lua_State *L) {
  if (lua_rawgeti(L, -1, LP_MEMORY_OTHERS) == LUA_TTABLE) return;
  lua_pop(L, 1);
  new_weak(L);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, LP_MEMORY_OTHERS);
}

/* Keeps a map of names. Stack: package.loaded of its environment. */
static void keep_map(lua_State *L, int map, unsigned environment) {
  push_memory(L);
  if (environment) {
    push_others(L);
    lua_pushvalue(L, -3);
    lua_pushvalue(L, map);
    lua_rawset(L, -3);
  } else {
    lua_pushvalue(L, map);
    lua_rawseti(L, -2, LP_MEMORY_NAMES);
  }
}

/* Pushes a new map of all names and keeps it, if there is a watch over package.loaded. */
static void collect(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  unsigned environment = lp_environment_current(L);
  new_weak(L);
  int map = lua_gettop(L);
  enter_given(L, map);
  if (environment) enter_loaded(L, map, 0);
  enter_loaded(L, map, environment);
  if (watch_loaded(L)) keep_map(L, map, environment);
  lua_settop(L, map);
}

/* Pushes the map of the current environment that was made before, or nil or false. */
static void push_map(lua_State *L) {
  unsigned environment = lp_environment_current(L);
  lp_name_memory(L, environment ? LP_MEMORY_OTHERS : LP_MEMORY_NAMES);
  if (!environment || !lua_istable(L, -1)) return;
  lp_environment_push(L, environment, LP_ENVIRONMENT_LOADED);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void lp_name_map(lua_State *L, bool anew) {
  push_map(L);
  if (lua_istable(L, -1) && !anew) return;
  lua_pop(L, 1);
  collect(L);
}

void lp_name_give(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lp_name_memory(L, LP_MEMORY_NAMED);
  lua_pushvalue(L, index);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  drop_maps(L);
}

/* Pushes the function that requires for scripts of the environment, or for our own. */
static void push_require(lua_State *L, unsigned environment) {
  if (environment)
    lp_environment_push(L, environment, LP_ENVIRONMENT_REQUIRE);
  else
    lp_env_get(L, "require");
}

/* Pushes a module, which it requires when it is not loaded, and returns true; else pushes the
 * reason and returns false. */
static bool push_module(lua_State *L, const char *module) {
  unsigned environment = is_internal(module) ? 0 : lp_environment_current(L);
  lp_environment_push(L, environment, LP_ENVIRONMENT_LOADED);
  lua_pushstring(L, module);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) return true;
  lua_pop(L, 1);
  push_require(L, environment);
  lua_pushstring(L, module);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return true;
  const char *why = luaL_tolstring(L, -1, NULL);
  lua_pushfstring(L, "module '%s' cannot be loaded here: %s", module, why);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return false;
}

static bool push_field(lua_State *L, const char *module, const char *field) {
  if (!push_module(L, module)) return false;
  if (lua_type(L, -1) == LUA_TTABLE && lua_getfield(L, -1, field) != LUA_TNIL) {
    lua_remove(L, -2);
    return true;
  }
  lua_pushfstring(L, "module '%s' has no '%s' here", module, field);
  return false;
}

/* Pushes what has been given this name. When there is nothing, it requires the module that the
 * name begins with and looks again. */
static bool push_given(lua_State *L, const char *name, bool trusted) {
  bool ours = strncmp(name, "luapool.env", 11) == 0; /* what no script may have */
  if (ours && !trusted) {
    lua_pushfstring(L, "'%s' is not accepted", name);
    return false;
  }
  lp_name_memory(L, LP_MEMORY_NAMED);
  int named = lua_gettop(L);
  if (lua_getfield(L, named, name) != LUA_TNIL) return lua_remove(L, named), true;
  const char *dot = strrchr(name, '.');
  if (dot && (trusted || is_luapool(name))) {
    lua_pushlstring(L, name, (size_t)(dot - name));
    if (!push_module(L, lua_tostring(L, -1))) return false;
    if (lua_getfield(L, named, name) != LUA_TNIL) return true;
  }
  lua_pushfstring(L, "nothing is called '%s' here", name);
  return false;
}

/* Pushes what stands in L for an object that has stayed with its maker. */
static bool push_referred(lua_State *L, const char *module, const char *object) {
  if (!is_luapool(module)) {
    lua_pushfstring(L, "no objects are made by '%s'", module);
    return false;
  }
  if (!push_module(L, module)) return false;
  lua_pushliteral(L, "receive");
  if (lua_type(L, -2) != LUA_TTABLE || lua_rawget(L, -2) != LUA_TFUNCTION) {
    lua_pushfstring(L, "no objects are made by '%s'", module);
    return false;
  }
  lua_pushstring(L, object);
  lua_call(L, 1, 1);
  return true;
}

bool lp_name_push(lua_State *L, const char *name, size_t len, bool trusted) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  name = lua_pushlstring(L, name, len); /* ends in a zero byte there */
  const char *field = memchr(name, 0, len);
  bool found;
  if (*name == 'F' && field)
    found = push_field(L, name + 1, field + 1);
  else if (*name == 'O' && field)
    found = push_referred(L, name + 1, field + 1);
  else if (*name == 'M')
    found = push_module(L, name + 1);
  else
    found = push_given(L, name + (len > 0), trusted);
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
  return found;
}
