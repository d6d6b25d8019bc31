/* wire/decode.c: reads a graph of Lua values.
 *
 * Nothing in the bytes is believed: every length is checked against what is left, sizes of
 * tables are only a hint and together bounded by the message, nesting by LP_WIRE_DEPTH. All
 * memory is Lua's. Metatables that may still be incomplete are set at the very end (a __gc is
 * seen only then). Layer: wire. */
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/stack.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/raise.h"
#include "runtime/wire/decode.h"
#include "runtime/wire/format.h"
#include "runtime/wire/graph.h"
#include "runtime/wire/name.h"
#include "runtime/wire/proto.h"

typedef struct decoder {
  lua_State *L;
  const lp_wire *w;
  const char *start, *p, *end;
  size_t hints; /* for how many more elements the sizes of tables may reserve memory */
  int depth;
  /* Stack index of nil or a table, made at need: offset -> shared object, and under -1, -2, ..
   * each object with the metatable that it gets at the end. */
  int refs;
  lua_Integer metas;     /* entries below zero */
  int function, upvalue; /* which upvalue is being read, for errors; 0: none */
} decoder;

static void read_value(decoder *d);

static void corrupt(decoder *d, const char *what) {
  lp_raise(d->L, "corrupt", "the data is damaged at byte %d: %s", (int)(d->p - d->start), what);
}

static const char *take(decoder *d, size_t n) {
  if ((size_t)(d->end - d->p) < n) corrupt(d, "it ends too early");
  const char *p = d->p;
  d->p += n;
  return p;
}

static uint64_t take_varint(decoder *d) {
  uint64_t v;
  const char *p = lp_format_get(d->p, d->end, &v);
  if (!p) corrupt(d, "a number that does not end");
  d->p = p;
  return v;
}

static inline unsigned char peek(decoder *d) {
  if (d->p == d->end) corrupt(d, "it ends too early");
  return (unsigned char)*d->p;
}

static void enter(decoder *d) {
  bool low = ++d->depth > LP_WIRE_SHALLOW && lp_stack_low();
  if (d->depth > LP_WIRE_DEPTH || low) corrupt(d, "nested too deep");
  luaL_checkstack(d->L, 8, "too many values");
}

static void open_refs(decoder *d) {
  if (lua_istable(d->L, d->refs)) return;
  lua_newtable(d->L);
  lua_replace(d->L, d->refs);
}

/* Keeps the object on top, which was read from offset `at`, when something refers to it. */
static void keep(decoder *d, int tag, size_t at) {
  if (!(tag & LP_TAG_SHARED)) return;
  open_refs(d);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, d->refs, (lua_Integer)at);
}

/* Pushes the object that was read from the offset that follows. */
static void take_ref(decoder *d) {
  uint64_t at = take_varint(d);
  if (!lua_istable(d->L, d->refs) || at > LP_WIRE_MAX ||
      lua_rawgeti(d->L, d->refs, (lua_Integer)at) == LUA_TNIL) {
    corrupt(d, "a reference to nothing");
  }
}

static void read_nil(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  lua_pushnil(d->L);
}

static void read_boolean(decoder *d, int tag, size_t at) {
  (void)at;
  lua_pushboolean(d->L, tag == LP_TAG_TRUE);
}

static void read_integer(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  uint64_t v = take_varint(d);
  lua_pushinteger(d->L, (lua_Integer)(v >> 1 ^ (0 - (v & 1))));
}

static void read_float(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  lua_Number v;
  memcpy(&v, take(d, sizeof(v)), sizeof(v));
  lua_pushnumber(d->L, v);
}

static void read_string(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  uint64_t len = take_varint(d);
  lua_pushlstring(d->L, take(d, len), len);
}

static void read_globals(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  if (d->w->no_functions) lp_raise(d->L, "refused", "no reference to the globals is accepted");
  lp_environment_push(d->L, lp_environment_current(d->L), LP_ENVIRONMENT_GLOBALS);
}

static void read_ref(decoder *d, int tag, size_t at) {
  (void)tag, (void)at;
  take_ref(d);
}

static void read_known(decoder *d, int tag, size_t at) {
  uint64_t number = take_varint(d);
  if (!d->w->known || number > LP_WIRE_MAX ||
      lua_rawgeti(d->L, d->w->known, (lua_Integer)number) == LUA_TNIL) {
    corrupt(d, "an object that is not known");
  }
  keep(d, tag, at);
}

/* Adds to the text on top where the name stood, and raises it. */
static void raise_name(decoder *d) {
  lua_State *L = d->L;
  const char *why = lua_tostring(L, -1), *upvalue;
  if (d->function && (upvalue = lua_getupvalue(L, d->function, d->upvalue))) {
    lua_Debug ar;
    lua_pushvalue(L, d->function);
    lua_getinfo(L, ">S", &ar);
    why = lua_pushfstring(L, "upvalue '%s' of the function at %s:%d: %s", upvalue, ar.short_src,
                          ar.linedefined, why);
  }
  lp_raise(L, "module", "%s", why);
}

static void read_name(decoder *d, int tag, size_t at) {
  uint64_t len = take_varint(d);
  const char *name = take(d, len);
  if (d->w->no_functions && (len == 0 || (*name != 'N' && *name != 'O'))) {
    lp_raise(d->L, "refused", "functions and modules are not accepted");
  }
  if (!lp_name_push(d->L, name, len, !d->w->no_functions)) raise_name(d);
  keep(d, tag, at);
}

/* Pushes a new table with room for as many elements as the sender says, within bounds. */
static void new_table(decoder *d) {
  unsigned size = (unsigned char)*take(d, 1);
  uint64_t array = take_varint(d), pairs = size && size < 32 ? (uint64_t)1 << (size - 1) : 0;
  if (array > d->hints) array = d->hints;
  d->hints -= array;
  if (pairs > d->hints) pairs = d->hints;
  d->hints -= pairs;
  lua_createtable(d->L, (int)array, (int)pairs);
}

/* Reads the metatable of the table on top. Leaves it there and returns true when it can be set
 * at once; else notes it, to be set in the end, and returns false. */
static bool read_metatable(decoder *d) {
  lua_State *L = d->L;
  size_t at = (size_t)(d->p - d->start);
  int tag = peek(d) & ~LP_TAG_FLAGS, top = lua_gettop(L);
  read_value(d);
  if (!lua_istable(L, -1)) corrupt(d, "a metatable that is no table");
  if (d->w->record && d->w->known && lp_format_is_table(d->start, d->end, at)) {
    lp_graph_enter(L, d->w->known, top + 1);
  }
  if (tag == LP_TAG_NAME || tag == LP_TAG_KNOWN) return true;
  open_refs(d);
  lua_rawseti(L, d->refs, --d->metas);
  lua_pushvalue(L, top);
  lua_rawseti(L, d->refs, --d->metas);
  return false;
}

/* Sets the metatable on top, which is popped. No finalizer runs in an environment. */
static void set_metatable(decoder *d, int table) {
  lua_State *L = d->L;
  if (lp_environment_current(L)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, -2) != LUA_TNIL)
      lp_raise(L, "denied", "a metatable has a finalizer (__gc)");
    lua_pop(L, 1);
  }
  lp_guard_set_metatable(L, table);
}

static void check_key(decoder *d, int tag) {
  if (tag == LP_TAG_NIL) corrupt(d, "nil as a key");
  if (tag != LP_TAG_FLOAT) return;
  lua_Number key = lua_tonumber(d->L, -1);
  if (key != key) corrupt(d, "NaN as a key");
}

static void read_table(decoder *d, int tag, size_t at) {
  lua_State *L = d->L;
  enter(d);
  new_table(d);
  keep(d, tag, at);
  int table = lua_gettop(L);
  bool meta = tag & LP_TAG_META && read_metatable(d), class = false;
  for (lua_Integer i = 1; peek(d) != LP_TAG_END; i++) {
    read_value(d);
    lua_rawseti(L, table, i);
  }
  for (d->p++; (tag = peek(d)) != LP_TAG_END;) {
    read_value(d);
    check_key(d, tag);
    read_value(d);
    class = class || (d->w->record && lp_graph_is_class(L, lua_gettop(L) - 1));
    lua_rawset(L, table);
  }
  d->p++;
  if (class && d->w->known) lp_graph_enter(L, d->w->known, table);
  if (meta) set_metatable(d, table);
  d->depth--;
}

/* Pushes a function made of the bytecode that follows or is named. */
static void new_function(decoder *d, int tag) {
  int status;
  if (tag & LP_TAG_INLINE) {
    if (d->w->no_bytecode) lp_raise(d->L, "refused", "bytecode in place is not accepted");
    uint32_t len;
    memcpy(&len, take(d, sizeof(len)), sizeof(len));
    status = lp_proto_load_bytes(d->L, take(d, len), len);
  } else {
    uint64_t number = take_varint(d);
    status = lp_proto_load(d->L, number > UINT32_MAX ? 0 : (uint32_t)number);
  }
  if (status == LUA_ERRMEM) lua_error(d->L);
  if (status != LUA_OK) corrupt(d, lua_tostring(d->L, -1));
}

/* Joins the upvalue being read with one of a function that was read before. */
static void join_cell(decoder *d) {
  lua_State *L = d->L;
  d->p++;
  take_ref(d);
  int from = (unsigned char)*take(d, 1);
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || !lua_upvalueid(L, -1, from) ||
      !lua_upvalueid(L, d->function, d->upvalue)) {
    corrupt(d, "an upvalue of nothing");
  }
  lua_upvaluejoin(L, d->function, d->upvalue, -1, from);
  lua_pop(L, 1);
}

static void read_function(decoder *d, int tag, size_t at) {
  if (d->w->no_functions) lp_raise(d->L, "refused", "functions are not accepted");
  int function = d->function, upvalue = d->upvalue;
  enter(d);
  new_function(d, tag);
  keep(d, tag, at);
  int index = lua_gettop(d->L);
  if (d->w->record && d->w->known) lp_graph_enter(d->L, d->w->known, index);
  for (int i = 1; (tag = peek(d)) != LP_TAG_END; i++) {
    d->function = index;
    d->upvalue = i;
    if (tag == LP_TAG_CELL) {
      join_cell(d);
    } else {
      read_value(d);
      if (!lua_setupvalue(d->L, index, i)) corrupt(d, "too many upvalues");
    }
  }
  d->p++;
  d->function = function;
  d->upvalue = upvalue;
  d->depth--;
}

static void (*const readers[LP_TAG_LAST + 1])(decoder *d, int tag, size_t at) = {
    [LP_TAG_NIL] = read_nil,
    [LP_TAG_FALSE] = read_boolean,
    [LP_TAG_TRUE] = read_boolean,
    [LP_TAG_INTEGER] = read_integer,
    [LP_TAG_FLOAT] = read_float,
    [LP_TAG_STRING] = read_string,
    [LP_TAG_GLOBALS] = read_globals,
    [LP_TAG_REF] = read_ref,
    [LP_TAG_KNOWN] = read_known,
    [LP_TAG_KNOWN | LP_TAG_SHARED] = read_known,
    [LP_TAG_NAME] = read_name,
    [LP_TAG_NAME | LP_TAG_SHARED] = read_name,
    [LP_TAG_TABLE] = read_table,
    [LP_TAG_TABLE | LP_TAG_SHARED] = read_table,
    [LP_TAG_TABLE | LP_TAG_META] = read_table,
    [LP_TAG_TABLE | LP_TAG_META | LP_TAG_SHARED] = read_table,
    [LP_TAG_FUNCTION] = read_function,
    [LP_TAG_FUNCTION | LP_TAG_SHARED] = read_function,
    [LP_TAG_FUNCTION | LP_TAG_INLINE] = read_function,
    [LP_TAG_FUNCTION | LP_TAG_INLINE | LP_TAG_SHARED] = read_function,
};

/* Pushes one value. */
static void read_value(decoder *d) {
  size_t at = (size_t)(d->p - d->start);
  int tag = peek(d);
  d->p++;
  if (tag >= LP_TAG_SMALL) {
    lua_pushinteger(d->L, tag & 0x7f);
  } else if (tag >= LP_TAG_SHORT) {
    size_t len = tag & 0x3f;
    lua_pushlstring(d->L, take(d, len), len);
  } else {
    if (tag > LP_TAG_LAST || !readers[tag]) corrupt(d, "a tag that does not exist");
    readers[tag](d, tag, at);
  }
}

static void set_metatables(decoder *d) {
  lua_State *L = d->L;
  for (lua_Integer i = 0; i > d->metas; i -= 2) {
    lua_rawgeti(L, d->refs, i - 2);
    lua_rawgeti(L, d->refs, i - 1);
    set_metatable(d, lua_gettop(L) - 1);
    lua_pop(L, 1);
  }
}

int lp_decode_values(lua_State *L, const lp_wire *w, const char *bytes, size_t len) {
  if (len == 0) return 0; /* and `bytes` may be NULL */
  decoder d = {.L = L, .w = w, .start = bytes, .p = bytes, .end = bytes + len, .hints = len};
  int n = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushnil(L);
  d.refs = lua_gettop(L);
  for (; d.p < d.end; n++) {
    luaL_checkstack(L, 8, "too many values");
    read_value(&d);
  }
  set_metatables(&d);
  lua_remove(L, d.refs);
  return n;
}
