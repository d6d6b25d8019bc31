/* bindings/job/block.h: values as bytes, for the disk. Layer: bindings. Process: main. */
#ifndef LPB_JOB_BLOCK_H
#define LPB_JOB_BLOCK_H

#include <lauxlib.h>

/* Adds the functions of the module to the table on top. */
void lpb_job_block_open(lua_State *L);

#endif
