/* wire/encode.c: writes a graph of Lua values.
 *
 * Tables are walked raw, with lua_next: first the elements 1, 2, 3.. as far as they come in
 * this order, then pairs. Recursion is bounded by LP_WIRE_DEPTH. See encode.h for why an error
 * leaves the buffer unchanged. Layer: wire. */
#include "runtime/wire/encode.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/stack.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/raise.h"
#include "runtime/wire/name.h"

void lp_encode_grow(lp_encoder *e, size_t n) {
  if (e->pos - e->start + n > LP_WIRE_MAX) lp_path_raise(e, "more than 1 GiB in one message");
  size_t len = e->out->len;
  e->out->len = e->pos;
  int rc = lp_buf_reserve(e->out, n);
  e->out->len = len;
  if (rc < 0) lp_raise_code(e->L, rc, NULL);
}

void lp_encode_tag(lp_encoder *e, int tag, uint64_t number) {
  char *p = lp_encode_room(e, 1 + LP_VARINT_MAX);
  *p = (char)tag;
  e->pos += (size_t)(lp_format_put(p + 1, number) - p);
}

static inline void put_byte(lp_encoder *e, int byte) {
  *lp_encode_room(e, 1) = (char)byte;
  e->pos++;
}

void lp_encode_enter(lp_encoder *e, lp_step *step) {
  if (++e->depth > LP_WIRE_DEPTH) lp_path_raise(e, "nested deeper than 500 levels");
  if (e->depth > LP_WIRE_SHALLOW && lp_stack_low())
    lp_path_raise(e, "nested too deep for this stack");
  if (!lua_checkstack(e->L, 8)) lp_path_raise(e, "no room on the Lua stack");
  step->up = e->path;
  e->path = step;
}

void lp_encode_leave(lp_encoder *e, const lp_step *step) {
  e->path = step->up;
  e->depth--;
}

static void put_nil(lp_encoder *e, int index) {
  (void)index;
  put_byte(e, LP_TAG_NIL);
}

static void put_boolean(lp_encoder *e, int index) {
  put_byte(e, lua_toboolean(e->L, index) ? LP_TAG_TRUE : LP_TAG_FALSE);
}

static void put_number(lp_encoder *e, int index) {
  if (lua_isinteger(e->L, index)) {
    uint64_t v = (uint64_t)lua_tointeger(e->L, index);
    if (v < 0x80)
      put_byte(e, LP_TAG_SMALL | (int)v);
    else
      lp_encode_tag(e, LP_TAG_INTEGER, v << 1 ^ (0 - (v >> 63)));
  } else {
    lua_Number v = lua_tonumber(e->L, index);
    char *p = lp_encode_room(e, 1 + sizeof(v));
    *p = LP_TAG_FLOAT;
    memcpy(p + 1, &v, sizeof(v));
    e->pos += 1 + sizeof(v);
  }
}

static void put_string(lp_encoder *e, int index) {
  size_t len;
  const char *s = lua_tolstring(e->L, index, &len);
  if (len < 64)
    put_byte(e, LP_TAG_SHORT | (int)len);
  else
    lp_encode_tag(e, LP_TAG_STRING, len);
  memcpy(lp_encode_room(e, len), s, len);
  e->pos += len;
}

/* Called for the first object of a graph: makes ready what all objects need. It pushes two
 * stack slots below all others that the encoder uses, so that they stay where they are. */
static void open_objects(lp_encoder *e) {
  lua_State *L = e->L;
  lp_name_map(L, false);
  e->names = lua_gettop(L);
  lua_pushnil(L);
  lp_seen_open(&e->seen, e->places, e->names + 1);
  lp_environment_push(L, lp_environment_current(L), LP_ENVIRONMENT_GLOBALS);
  e->globals = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (e->w->known && lua_rawlen(L, e->w->known)) e->known = e->w->known;
}

/* Writes the object by name and returns true, when it has a name. */
static bool put_name(lp_encoder *e, int index) {
  lua_State *L = e->L;
  size_t len;
  lua_pushvalue(L, index);
  bool found = lua_rawget(L, e->names) == LUA_TSTRING;
  if (found) {
    const char *name = lua_tolstring(L, -1, &len);
    lp_encode_tag(e, LP_TAG_NAME, len);
    memcpy(lp_encode_room(e, len), name, len);
    e->pos += len;
  }
  lua_pop(L, 1);
  return found;
}

/* Writes a reference to the object of a graph that both sides remember. */
static bool put_known(lp_encoder *e, int index) {
  if (!e->known) return false;
  lua_pushvalue(e->L, index);
  bool found = lua_rawget(e->L, e->known) == LUA_TNUMBER;
  if (found) lp_encode_tag(e, LP_TAG_KNOWN, (uint64_t)lua_tointeger(e->L, -1));
  lua_pop(e->L, 1);
  return found;
}

/* Writes an object that the reader has or will have; false when it is to be written out. */
static bool put_reference(lp_encoder *e, int index) {
  if (!e->names) open_objects(e);
  const void *object = lua_topointer(e->L, index);
  if (object == e->globals) {
    put_byte(e, LP_TAG_GLOBALS);
    return true;
  }
  lp_place *place = lp_seen_at(e->L, &e->seen, object);
  if (place->at != LP_SEEN_NEW) {
    lp_encode_share(e, place->at);
    lp_encode_tag(e, LP_TAG_REF, place->at);
    return true;
  }
  place->at = (uint32_t)(e->pos - e->start);
  return put_name(e, index) || put_known(e, index);
}

/* Writes userdata, a thread or a C function by name, or raises. A module may have got new
 * fields since the names were collected, so they are collected again first. */
static void put_named(lp_encoder *e, int index) {
  if (!e->names) open_objects(e);
  if (put_name(e, index)) return;
  if (!e->rescanned) {
    e->rescanned = 1;
    lp_name_map(e->L, true);
    lua_replace(e->L, e->names);
    if (put_name(e, index)) return;
  }
  lp_path_refuse(e, index);
}

static void put_function(lp_encoder *e, int index) {
  if (lp_guard_push_finalizer(e->L, index)) {
    lp_encode_value(e, lua_gettop(e->L));
    lua_pop(e->L, 1);
  } else if (lua_iscfunction(e->L, index)) {
    put_named(e, index);
  } else if (!put_reference(e, index)) {
    lp_function_encode(e, index);
  }
}

/* Writes the metatable on top and pops it; a table by value is entered into the known graph. */
static void put_metatable(lp_encoder *e) {
  lua_State *L = e->L;
  size_t at = e->pos - e->start;
  int meta = lua_gettop(L);
  lp_encode_value(e, meta);
  const char *bytes = e->out->data + e->start;
  if (e->w->record && lp_format_is_table(bytes, e->out->data + e->pos, at)) {
    lp_graph_enter(L, e->w->known, meta);
  }
  lua_settop(L, meta - 1);
}

/* Writes the elements 1, 2, 3.. that come in this order; `key` is where lua_next has its key.
 * Returns true when the key and value of another pair are left on the stack. */
static bool put_elements(lp_encoder *e, int table, int key) {
  lua_State *L = e->L;
  for (lua_Integer i = 1; lua_next(L, table); i++) {
    if (!lua_isinteger(L, key) || lua_tointeger(L, key) != i) return true;
    lp_encode_value(e, key + 1);
    lua_settop(L, key);
  }
  return false;
}

/* Writes the other pairs, returns the size byte for their number. */
static int put_pairs(lp_encoder *e, int table, int key, lp_step *step, bool more) {
  lua_State *L = e->L;
  size_t n = 0;
  bool class = false;
  for (; more; more = lua_next(L, table), n++) {
    class = class || (e->w->record && lp_graph_is_class(L, key));
    step->kind = LP_STEP_KEY;
    lp_encode_value(e, key);
    step->kind = LP_STEP_FIELD;
    lp_encode_value(e, key + 1);
    lua_settop(L, key);
  }
  if (class) lp_graph_enter(L, e->w->known, table);
  int size = 0;
  while (n && (size_t)1 << size < n) size++;
  return n ? size + 1 : 0;
}

/* Stack: the table's metatable, its field __refer. Calls it and writes the reference. */
static void put_referred(lp_encoder *e, int index) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  lua_pushvalue(L, index);
  lua_call(L, 1, 3);
  if (lua_isnil(L, top)) lp_path_raise(e, luaL_checkstring(L, top + 1));
  uint32_t number = (uint32_t)lua_tointeger(L, top + 2);
  lua_settop(L, top + 1);
  lua_pushliteral(L, "O");
  lua_insert(L, top);
  lua_pushlstring(L, "", 1);
  lua_insert(L, top + 2);
  lua_concat(L, 4);
  size_t len;
  const char *name = lua_tolstring(L, top, &len);
  lp_encode_tag(e, LP_TAG_NAME, len);
  memcpy(lp_encode_room(e, len), name, len);
  e->pos += len;
  int rc = e->w->objects ? lp_buf_append(e->w->objects, &number, sizeof number) : 0;
  if (rc < 0) lp_raise_code(L, rc, NULL);
}

/* Writes a table whose metatable has __refer as a reference and returns true; else false. */
static bool put_maker(lp_encoder *e, int index) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  if (!lua_getmetatable(L, index)) return false;
  lua_pushliteral(L, "__refer");
  bool stays = lua_rawget(L, top + 1) != LUA_TNIL;
  if (stays) put_referred(e, index);
  lua_settop(L, top);
  return stays;
}

static void put_table(lp_encoder *e, int index) {
  if (put_reference(e, index) || put_maker(e, index)) return;
  lua_State *L = e->L;
  size_t at = e->pos;
  int key = lua_gettop(L) + 1;
  lp_step step = {.kind = LP_STEP_META, .index = key};
  lp_encode_enter(e, &step);
  lp_encode_tag(e, LP_TAG_TABLE, 0);
  e->pos = (size_t)(lp_format_put(lp_encode_room(e, LP_VARINT_MAX), lua_rawlen(L, index)) -
                    e->out->data);
  if (lua_getmetatable(L, index)) {
    e->out->data[at] |= LP_TAG_META;
    put_metatable(e);
  }
  step.kind = LP_STEP_FIELD;
  lua_pushnil(L);
  bool more = put_elements(e, index, key);
  put_byte(e, LP_TAG_END);
  int size = put_pairs(e, index, key, &step, more);
  put_byte(e, LP_TAG_END);
  e->out->data[at + 1] = (char)size;
  lp_encode_leave(e, &step);
}

static void (*const writers[LUA_NUMTYPES])(lp_encoder *e, int index) = {
    [LUA_TNIL] = put_nil,
    [LUA_TBOOLEAN] = put_boolean,
    [LUA_TLIGHTUSERDATA] = put_named,
    [LUA_TNUMBER] = put_number,
    [LUA_TSTRING] = put_string,
    [LUA_TTABLE] = put_table,
    [LUA_TFUNCTION] = put_function,
    [LUA_TUSERDATA] = put_named,
    [LUA_TTHREAD] = put_named,
};

void lp_encode_value(lp_encoder *e, int index) {
  writers[lua_type(e->L, index)](e, index);
}
