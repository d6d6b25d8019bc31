/* api/env.h: environments as the host holds them, and modules that it gives. Layer: api. */
#ifndef LP_API_ENV_H
#define LP_API_ENV_H

#include "runtime/api/api.h"

/* The shared environment gets the bits of the options, and `require` asks the host when these
 * say so. Returns 0 or a code of the core. */
int lp_env_share(luapool *rt);

/* The runtime closes: no environment of the host's belongs to it any more. */
void lp_env_detach_all(luapool *rt);

#endif
