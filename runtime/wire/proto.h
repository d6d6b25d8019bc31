/* wire/proto.h: prototypes of functions by number. The sender gives each prototype a number and
 * sends its bytecode once to each receiver, which keeps it. Layer: wire, private to it. */
#ifndef LP_WIRE_PROTO_H
#define LP_WIRE_PROTO_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* The number of the prototype of the closure at `index`, or 0 when it is not known. */
uint32_t lp_proto_cached(lua_State *L, int index);

/* Returns the number of this bytecode, which is that of the closure at `index`; a new one when
 * it has none. */
uint32_t lp_proto_number(lua_State *L, int index, const char *bytecode, size_t len);

/* On the sender: pushes the bytecode with this number. */
void lp_proto_push(lua_State *L, uint32_t number);

/* On the receiver: keeps the bytecode under the number that it has on the sender's side. */
void lp_proto_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len);

/* On the receiver: pushes a function made of the bytecode with this number, without its
 * upvalues. Returns a Lua status; when that is not LUA_OK, a message is pushed. */
int lp_proto_load(lua_State *L, uint32_t number);

/* The same of bytecode that stands in the message. */
int lp_proto_load_bytes(lua_State *L, const char *bytecode, size_t len);

#endif
