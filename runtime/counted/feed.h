/* counted/feed.h: a long text that is compiled piece by piece, as Lua's parser looks at no
 * budget. Layer: counted. */
#ifndef LP_COUNTED_FEED_H
#define LP_COUNTED_FEED_H

#include <lua.h>

/* Stack: the arguments of `load`. Puts a function that gives the text in pieces in the place of
 * a text that is long. Messages go on naming the text. */
void lp_feed(lua_State *L);

#endif
