/* api/api.c: codes and texts of the calls of a host. Layer: api. */
#include "runtime/api/api.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static const struct {
  const char *kind;
  int code;
} kinds[] = {{"cancelled", LUAPOOL_ECANCELLED}, {"memory", LUAPOOL_EMEMORY},
             {"budget", LUAPOOL_ETIME},         {"denied", LUAPOOL_EDENIED},
             {"timeout", LUAPOOL_ERUN},         {"system", LUAPOOL_ERUN}};

static int code_of_kind(const char *kind) {
  for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].kind, kind) == 0) return kinds[i].code;
  return LUAPOOL_ERUN;
}

int lp_api_code(int core) {
  if (core >= 0) return core;
  if (core == LP_ETASKS) return LUAPOOL_ETASKS;
  return lp_error_is_ours(core) ? code_of_kind(lp_error_kind(core)) : LUAPOOL_ESYSTEM;
}

/* Budgets have one kind; which it was stands in the field `limit`. */
static bool is_of_tasks(lua_State *L, int index) {
  lua_pushvalue(L, index);
  lua_pushliteral(L, "limit");
  lua_rawget(L, -2);
  bool is = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "tasks") == 0;
  lua_pop(L, 2);
  return is;
}

int lp_api_code_of_error(lua_State *L, int index) {
  int code = code_of_kind(lp_raise_kind(L, index));
  return code == LUAPOOL_ETIME && is_of_tasks(L, index) ? LUAPOOL_ETASKS : code;
}

void lp_api_begin(luapool *rt) {
  if (rt->code < 0) {
    lp_alloc_free(rt->error);
    rt->error = NULL;
  }
  rt->code = LUAPOOL_OK;
}

int lp_api_begin_outside(luapool *rt) {
  if (rt->state.inside || rt->state.current)
    return lp_api_fail(rt, LUAPOOL_EINSIDE,
                       "the runtime calls its host just now: return to it first");
  lp_api_begin(rt);
  return LUAPOOL_OK;
}

int lp_api_fail(luapool *rt, int code, const char *text) {
  lp_alloc_free(rt->error);
  rt->code = code;
  rt->error = lp_alloc_new(strlen(text) + 1);
  if (rt->error) strcpy(rt->error, text);
  return code;
}

int lp_api_fail_core(luapool *rt, int code) {
  return lp_api_fail(rt, lp_api_code(code), lp_error_text(code));
}

/* Protected. Stack: an error. Leaves its text. */
static int describe(lua_State *L) {
  lp_usage_error_text(L, 1);
  return 1;
}

int lp_api_fail_lua(luapool *rt, lua_State *L, int status) {
  int code = status == LUA_ERRMEM      ? LUAPOOL_EMEMORY
             : status == LUA_ERRSYNTAX ? LUAPOOL_ESYNTAX
                                       : lp_api_code_of_error(L, -1);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  if (!text) { /* an error of any other type */
    lua_pushcfunction(L, describe);
    lua_insert(L, -2);
    rt->state.inside++;
    text = lua_pcall(L, 1, 1, 0) == LUA_OK ? lua_tostring(L, -1) : "an error without a text";
    rt->state.inside--;
  }
  lp_api_fail(rt, code, text ? text : "an error without a text");
  lua_pop(L, 1);
  return code;
}

/* What luapool_error(NULL) returns. */
static _Thread_local char open_error[256];

int lp_api_fail_open(int code, const char *text) {
  snprintf(open_error, sizeof open_error, "%s", text);
  return code;
}

const char *luapool_error(luapool *rt) {
  if (!rt) return open_error;
  if (rt->code >= 0) return "";
  return rt->error ? rt->error : lp_error_text(LP_EMEMORY);
}

unsigned luapool_version_number(void) {
  return LUAPOOL_VERSION_NUMBER;
}

const char *luapool_version(void) {
  return LP_VERSION;
}
