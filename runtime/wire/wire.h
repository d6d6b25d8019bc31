/* wire/wire.h: Lua values and functions as bytes.
 *
 * One graph at a time is encoded: shared references and cycles inside it are kept. Functions go
 * as bytecode with their upvalues; modules, C functions, standard streams and everything named
 * with lp_wire_name go by name. Some graphs are remembered by both sides (the snapshot of a
 * mapped function): a later graph that meets one of its functions or metatables refers to it,
 * and it comes back as the original. Decoding checks every length; the bytecode in it is
 * trusted, so bytes come only from a channel that main made. Layer: wire. */
#ifndef LP_WIRE_WIRE_H
#define LP_WIRE_WIRE_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"

/* How a graph is written or read. Zeroed: nothing is known, bytecode stands in place. */
typedef struct lp_wire {
  /* Stack index (absolute) of a table made by lp_wire_graph, or 0. Its functions and metatables
   * are written as references to it, and read back as its objects. */
  int known;
  /* Encoding and decoding: also enter the functions and metatables of this graph into `known`.
   * After an error the two sides may differ in it: drop it. */
  int record;
  /* Encoding: NULL writes each prototype's bytecode in place. Else prototypes go by number, and
   * the numbers (uint32_t each, without duplicates) are appended here, for the caller to see to
   * it that the receiver knows them. On an error it is as long as before. */
  lp_buf *protos;
  /* Encoding: when not NULL, the numbers (uint32_t) of the objects that were written as
   * references are appended here, for the caller to keep them alive until the receiver has read
   * them. After an error it may hold some. */
  lp_buf *objects;
  /* Encoding: how a value is called in errors, "argument" or "result"; NULL: "value". */
  const char *noun;
  /* Decoding: functions and modules are refused, only data and what lp_wire_name named comes
   * in. For a runtime that does not trust the sender. */
  int no_functions;
  /* Decoding: bytecode in place is refused; functions come only of prototypes by number. */
  int no_bytecode;
} lp_wire;

/* Pushes a new, empty memory of a graph, for lp_wire.known. */
void lp_wire_graph(lua_State *L);

/* A table whose metatable has a field "__refer" stays where it is; a reference travels. The
 * field is a function: refer(object) -> module, key, number, or nil and why it cannot be sent.
 * What the receiver gets is require(module).receive(key); the module is one of luapool's. */

/* Appends the `n` values from stack index `first` on to `out`. Whatever is raised, `out` is as
 * long as before. What cannot travel raises kind `cannot_send` with the way to it:
 *
 *   cannot send upvalue 'log' of function 'fetch' (job.lua:12): file (FILE*)
 *   cannot send result[3].handle: file (FILE*)
 *
 * A value is called `noun` with n == 1, else "noun #2". A finalizer can send nothing. */
void lp_wire_encode(lua_State *L, const lp_wire *w, int first, int n, lp_buf *out);

/* Pushes the values of `bytes`, returns their number. Raises kind `corrupt` for damaged bytes,
 * `module` for a module or a name that cannot be had here (and says why), `refused` for a
 * function or bytecode when there may be none. It may run scripts: modules are required. */
int lp_wire_decode(lua_State *L, const lp_wire *w, const char *bytes, size_t len);

/* Pushes the bytecode (a string) of the prototype with this number, as given out by
 * lp_wire_encode. */
void lp_wire_proto(lua_State *L, uint32_t number);

/* On the receiver: the bytecode of a prototype by its number. Raises for want of memory. */
void lp_wire_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len);

/* Gives the value at `index` (a table, function, userdata or light userdata) a name by which it
 * travels; both sides must name it. Replaces an earlier one of that name. A receiver that does
 * not know "luapool.json.null" requires "luapool.json" and looks again. */
void lp_wire_name(lua_State *L, int index, const char *name);

#endif
