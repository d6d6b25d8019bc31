/* wire/graph.h: the memory of a graph that both sides remember: lp_wire.known.
 *
 * A table, number -> object and object -> number. Both sides enter the same objects in the same
 * order, so the numbers agree. Layer: wire, private to it. */
#ifndef LP_WIRE_GRAPH_H
#define LP_WIRE_GRAPH_H

#include <lua.h>

/* Pushes a new one. */
void lp_graph_new(lua_State *L);

/* Enters the object at `index` into the graph at stack index `graph`; no effect when it is in
 * it. */
void lp_graph_enter(lua_State *L, int graph, int index);

#endif
