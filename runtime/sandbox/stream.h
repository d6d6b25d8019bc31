/* sandbox/stream.h: stdout and stderr of environments that lack the bit PROCESS. Layer:
 * sandbox.
 */
#ifndef LP_SANDBOX_STREAM_H
#define LP_SANDBOX_STREAM_H

#include <lua.h>

/* Sets `stdout`, `stderr`, `write` and `flush` in the library `io` on top of the stack. Scripts
 * write to the two streams; they cannot close them, nor change how they are buffered, and the
 * default output is always the first, whatever the free environment has made of it. */
void lp_stream_open(lua_State *L);

#endif
