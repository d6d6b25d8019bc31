/* wire/name.h: values that travel by name.
 *
 * A name is a string whose first byte tells its kind. 'M' stands before the name of a module.
 * 'F' stands before a module, a zero byte and the name of one of its fields. 'N' stands before
 * a name that was given with lp_wire_name. 'O' stands before a module of luapool, a zero byte
 * and the key of an object that stays with its maker. Layer: wire, private to it. */
#ifndef LP_WIRE_NAME_H
#define LP_WIRE_NAME_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* The tables that one Lua state keeps for the wire. */
typedef enum {
  LP_MEMORY_NAMES = 1, /* value -> name, weak; false when it is to be made anew */
  LP_MEMORY_OTHERS,    /* the same of environments, weak: package.loaded -> value -> name */
  LP_MEMORY_NAMED,     /* name -> value, of lp_wire_name */
  LP_MEMORY_CLOSURES,  /* closure -> number of its prototype, weak */
  LP_MEMORY_PROTOS,    /* bytecode -> number and number -> bytecode */
  LP_MEMORY_LEARNED,   /* number -> bytecode, of the sender */
} lp_memory;

/* Pushes one of these tables. */
void lp_name_memory(lua_State *L, lp_memory table);

/* Pushes the map from values to names. With `anew` it is made again from package.loaded. */
void lp_name_map(lua_State *L, bool anew);

/* Gives the value at `index` a name, as lp_wire_name says. */
void lp_name_give(lua_State *L, int index, const char *name);

/* Pushes the value that has this name in L and returns true; else pushes a text that says why
 * there is none, and returns false. It requires the module that the name begins with; for a
 * sender that is not `trusted` only a module of luapool. */
bool lp_name_push(lua_State *L, const char *name, size_t len, bool trusted);

#endif
