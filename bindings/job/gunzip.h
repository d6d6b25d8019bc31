/* bindings/job/gunzip.h: sitemaps that are gzip files. Layer: bindings. */
#ifndef LPB_JOB_GUNZIP_H
#define LPB_JOB_GUNZIP_H

#include <lauxlib.h>

/* Adds the function of the module to the table on top. */
void lpb_job_gunzip_open(lua_State *L);

#endif
