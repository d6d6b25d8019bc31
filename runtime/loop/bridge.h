/* loop/bridge.h: lets a loop of the host turn that of a runtime.
 *
 * A runtime always stands on a loop of its own, which it can turn and close without anything of
 * the host's being called. When the host has a loop, the bridge has a few handles in it: they
 * turn the runtime's loop whenever the host's turns, and wake it for what the other waits for.
 * They keep it alive as long as the runtime has something to wait for. Layer: loop. Owner:
 * lp_state. */
#ifndef LP_LOOP_BRIDGE_H
#define LP_LOOP_BRIDGE_H

#include <uv.h>

typedef struct lp_state lp_state;
typedef struct lp_bridge lp_bridge;

/* Returns 0, LP_EMEMORY or a libuv error. */
int lp_bridge_open(lp_bridge **out, lp_state *st, uv_loop_t *host);

/* There is work now: the host's loop is alive, and turns at once. */
void lp_bridge_spin(lp_bridge *b);

/* Begins to close the handles. Nothing of the runtime is touched any more; what is left goes
 * when the host turns its loop once more. NULL is fine. */
void lp_bridge_close(lp_bridge *b);

#endif
