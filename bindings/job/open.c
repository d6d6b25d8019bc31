/* bindings/job/open.c: luapool.job.core: what a crawl has in C: the set of seen items, blocks
 * of waiting items as bytes for the disk. Layer: bindings. */
#include "bindings/bindings.h"
#include "bindings/job/block.h"
#include "bindings/job/seen.h"

int luaopen_luapool_job_core(lua_State *L) {
  lua_newtable(L);
  lpb_job_seen_open(L);
  lpb_job_block_open(L);
  return 1;
}
