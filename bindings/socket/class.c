/* bindings/socket/class.c: the classes of sockets, and the methods that all of them have.
 * Layer: bindings. */
#include "bindings/socket/class.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

#define PREFIX "luapool."
static const char *const classes[] = {PREFIX LPB_SOCKET_CLIENT,
                                      PREFIX LPB_SOCKET_TLS,
                                      PREFIX LPB_SOCKET_SERVER,
                                      PREFIX LPB_SOCKET_MASTER,
                                      PREFIX LPB_SOCKET_CONNECTED,
                                      PREFIX LPB_SOCKET_UNCONNECTED,
                                      NULL};

/* Is an object of the class with this name what one of `class` is? */
static bool serves(const char *name, const char *class) {
  name += strlen(PREFIX);
  if (strcmp(name, class) == 0) return true;
  return strcmp(name, LPB_SOCKET_TLS) == 0 && strcmp(class, LPB_SOCKET_CLIENT) == 0;
}

lpb_socket *lpb_socket_class_push(lua_State *L, const char *class, int family, int type) {
  lpb_socket **box = lp_object_new(L, sizeof *box, 0);
  *box = NULL;
  lua_pushfstring(L, PREFIX "%s", class);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  lpb_socket *s = *box = lp_alloc_new(sizeof *s);
  if (!s) lp_raise_code(L, LP_EMEMORY, class);
  s->st = lp_state_of(L);
  s->fd = -1;
  s->family = family;
  s->type = type;
  s->holders = 1;
  s->block = s->total = -1;
  s->born = lp_loop_now(s->st);
  for (int d = 0; d < LPB_SOCKET_DIRECTIONS; d++) lp_list_init(&s->waiting[d]);
  return s;
}

int lpb_socket_class_make(lua_State *L, const char *class, int family, int type) {
  lp_allow_bit(L, LP_ALLOW_NET, class);
  lpb_socket *s = lpb_socket_class_push(L, class, family, type);
  int rc = family == AF_UNSPEC ? 0 : lpb_socket_create(s, family);
  return rc < 0 ? lpb_socket_fail(L, rc) : 1;
}

lpb_socket *lpb_socket_class_any(lua_State *L, int index) {
  for (int i = 0; classes[i]; i++) {
    lpb_socket **box = luaL_testudata(L, index, classes[i]);
    if (box) return *box;
  }
  return NULL;
}

lpb_socket *lpb_socket_class_test(lua_State *L, const char *class) {
  for (int i = 0; classes[i]; i++) {
    lpb_socket **box = serves(classes[i], class) ? luaL_testudata(L, 1, classes[i]) : NULL;
    if (box) return *box;
  }
  return NULL;
}

lpb_socket *lpb_socket_class_check(lua_State *L, const char *class) {
  lpb_socket *s = lpb_socket_class_test(L, class);
  if (!s) luaL_argerror(L, 1, lua_pushfstring(L, "%s expected", class));
  return s;
}

void lpb_socket_class_become(lua_State *L, const char *class) {
  lua_pushvalue(L, 1);
  lua_pushfstring(L, PREFIX "%s", class);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

static lpb_socket *check(lua_State *L) {
  lpb_socket *s = lpb_socket_class_any(L, 1);
  luaL_argexpected(L, s, 1, "socket");
  return s;
}

/* socket:close() -> 1. Those who wait for it get "closed". Safe twice. */
static int socket_close(lua_State *L) {
  lpb_socket_close(check(L));
  return lpb_socket_outcome(L, 0);
}

static int socket_gc(lua_State *L) {
  lpb_socket **box = lua_touserdata(L, 1), *s = *box;
  if (!s) return 0;
  lpb_socket_close(s);
  *box = NULL;
  lpb_socket_release(s);
  return 0;
}

static int socket_tostring(lua_State *L) {
  luaL_getmetafield(L, 1, "__name");
  lua_pushfstring(L, "%s: %p", lua_tostring(L, -1), lua_touserdata(L, 1));
  return 1;
}

/* socket:settimeout(seconds [, mode]) -> 1. The limit of each wait for the peer (mode "b", the
 * default), or of each call ("t"); nil or a negative number: none. */
static int socket_settimeout(lua_State *L) {
  lpb_socket *s = check(L);
  double seconds = luaL_optnumber(L, 2, -1);
  const char *mode = luaL_optstring(L, 3, "b");
  luaL_argcheck(L, *mode && strchr("btr", *mode), 3, "invalid timeout mode");
  if (*mode == 'b')
    s->block = seconds;
  else
    s->total = seconds;
  return lpb_socket_outcome(L, 0);
}

/* socket:gettimeout() -> the limit of each wait, the limit of each call; -1: none. */
static int socket_gettimeout(lua_State *L) {
  lpb_socket *s = check(L);
  lua_pushnumber(L, s->block);
  lua_pushnumber(L, s->total);
  return 2;
}

/* socket:getfd() -> the descriptor, -1: none. */
static int socket_getfd(lua_State *L) {
  lua_pushinteger(L, check(L)->fd);
  return 1;
}

/* socket:setfd(fd). Forgets its descriptor without closing it and takes another one. */
static int socket_setfd(lua_State *L) {
  lpb_socket *s = check(L);
  int fd = (int)luaL_checknumber(L, 2);
  lp_allow(L, LP_ALLOW_PROCESS, "socket:setfd");
  lpb_socket_forget(s, fd);
  return 0;
}

/* socket:dirty() -> bool: bytes have come that nobody has asked for yet. */
static int socket_dirty(lua_State *L) {
  lua_pushboolean(L, lpb_socket_ready(check(L)) > 0);
  return 1;
}

/* socket:getfamily() -> "inet4" or "inet6". */
static int socket_getfamily(lua_State *L) {
  lua_pushstring(L, check(L)->family == AF_INET6 ? "inet6" : "inet4");
  return 1;
}

const luaL_Reg lpb_socket_class_methods[] = {
    {"close", socket_close},           {"settimeout", socket_settimeout},
    {"gettimeout", socket_gettimeout}, {"getfd", socket_getfd},
    {"setfd", socket_setfd},           {"dirty", socket_dirty},
    {"getfamily", socket_getfamily},   {NULL, NULL}};

void lpb_socket_class_new(lua_State *L, const char *class) {
  static const luaL_Reg meta[] = {{"__gc", socket_gc},
                                  {"__close", socket_close},
                                  {"__tostring", socket_tostring},
                                  {NULL, NULL}};
  lua_pushfstring(L, PREFIX "%s", class);
  luaL_newmetatable(L, lua_tostring(L, -1));
  luaL_setfuncs(L, meta, 0);
  lua_pushstring(L, class);
  lua_setfield(L, -2, "__name");
  lua_newtable(L);
  lua_pushstring(L, class);
  lua_setfield(L, -2, "class");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_replace(L, -3);
  lua_pop(L, 1);
}
