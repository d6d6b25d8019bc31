/* wire/graph.h: the memory of a graph that both sides remember: lp_wire.known.
 *
 * A table, number -> object and object -> number. Both sides enter the same objects in the same
 * order, so the numbers agree. Layer: wire, private to it. */
#ifndef LP_WIRE_GRAPH_H
#define LP_WIRE_GRAPH_H

#include <lua.h>
#include <stdbool.h>

/* Pushes a new, empty memory. */
void lp_graph_new(lua_State *L);

/* Enters the object at `index` into the memory at stack index `graph`. No effect when it is
 * there. */
void lp_graph_enter(lua_State *L, int graph, int index);

/* True when a table with this pair, key and value at `key` and behind it, is made to be a
 * metatable: `__index`, or a function under another name of that kind. Such a table is entered
 * too, before it is the metatable of anything. */
bool lp_graph_is_class(lua_State *L, int key);

#endif
