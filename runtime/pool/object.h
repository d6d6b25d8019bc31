/* pool/object.h: objects of luapool.sync by number: they stay with main, and a number names
 * them in other processes. One that is on its way, or that a worker holds, is pinned: it stays
 * alive. Layer: pool. Process: main. */
#ifndef LP_POOL_OBJECT_H
#define LP_POOL_OBJECT_H

#include <lua.h>
#include <stdint.h>

typedef struct lp_state lp_state;

/* Among the numbers that go with a call: this one is of an object, not of a prototype. */
static const uint32_t LP_OBJECT_BIT = UINT32_C(1) << 31;

/* Pushes the table (weak) from numbers to objects that have been sent. */
void lp_object_table(lua_State *L);

/* Keeps the object alive until it is unpinned as often. Raises for want of memory. */
void lp_object_pin(lua_State *L, uint32_t number);
void lp_object_unpin(lp_state *st, uint32_t number);

/* Unpins those of `numbers` that are objects: that have LP_OBJECT_BIT set. */
void lp_object_unpin_all(lp_state *st, const uint32_t *numbers, uint32_t n);

#endif
