/* wire/proto.h: prototypes by number. Layer: wire, private to it. */
#ifndef LP_WIRE_PROTO_H
#define LP_WIRE_PROTO_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* The number of the prototype of the closure at `index`, or 0 when it is not known. */
uint32_t lp_proto_cached(lua_State *L, int index);

/* Gives this bytecode, the closure's, a number or finds the one that it has. */
uint32_t lp_proto_number(lua_State *L, int index, const char *bytecode, size_t len);

/* Pushes the bytecode that has this number here. */
void lp_proto_push(lua_State *L, uint32_t number);

/* Keeps bytecode of the sender under the number it has there. */
void lp_proto_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len);

/* Pushes a function made of the bytecode that was learned under this number; returns a Lua
 * status and pushes the message when it is not LUA_OK. */
int lp_proto_load(lua_State *L, uint32_t number);

/* The same of bytecode in memory. */
int lp_proto_load_bytes(lua_State *L, const char *bytecode, size_t len);

#endif
