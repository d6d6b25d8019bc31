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

typedef struct lp_wire {
  /* Stack index (absolute) of a table made by lp_wire_graph, or 0. Its functions and metatables
   * are written as references to it, and read back as its objects. */
  int known;
  /* Encoding and decoding: also enter the functions and metatables of this graph into `known`.
   */
  int record;
  /* Encoding: NULL writes each prototype's bytecode in place. Else prototypes go by number, and
   * the numbers (uint32_t each, without duplicates) are appended here, for the caller to see to
   * it that the receiver knows them. */
  lp_buf *protos;
  /* Encoding: how the first value is called in errors, "argument" or "result". */
  const char *noun;
} lp_wire;

/* Pushes a new, empty memory of a graph, for lp_wire.known. */
void lp_wire_graph(lua_State *L);

/* Appends the `n` values from stack index `first` on to `out`. What cannot travel raises an
 * error object of kind `cannot_send` that names the path, as in cannot send upvalue 'log' of
 * function 'fetch' (job.lua:12): file (FILE*) cannot send result[3].handle: file (FILE*) (with
 * n == 1 the value is called `noun`, else "noun #2"). On an error `out` is as long as before.
 */
void lp_wire_encode(lua_State *L, const lp_wire *w, int first, int n, lp_buf *out);

/* Pushes the values of `bytes`, returns their number. Raises kind `corrupt` for damaged bytes,
 * and an error that names it for a module that cannot be loaded here. */
int lp_wire_decode(lua_State *L, const lp_wire *w, const char *bytes, size_t len);

/* Pushes the bytecode (a string) of the prototype with this number, as given out by
 * lp_wire_encode. */
void lp_wire_proto(lua_State *L, uint32_t number);

/* On the receiver: the bytecode of a prototype by its number. Raises for want of memory. */
void lp_wire_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len);

/* Gives the value at `index` (a table, function, userdata or light userdata) a name by which it
 * travels; both sides must name it. Replaces an earlier one of that name. */
void lp_wire_name(lua_State *L, int index, const char *name);

#endif
