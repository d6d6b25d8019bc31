/* bindings/job/seen.h: which items of a crawl have been seen. Layer: bindings. Process: main.
 */
#ifndef LPB_JOB_SEEN_H
#define LPB_JOB_SEEN_H

#include <lauxlib.h>

/* Makes the class of sets, and adds the functions of the module to the table on top. */
void lpb_job_seen_open(lua_State *L);

#endif
