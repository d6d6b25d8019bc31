/* loop/scripts.h: the Lua half of luapool, as it was compiled into the program.
 *
 * The build makes the table out of scripts/ (by scripts/embed.lua): one entry a file, as
 * bytecode with debug information, so that a worker starts without parsing and tracebacks keep
 * file and line. Layer: loop. Owner: nobody; constant data. */
#ifndef LP_LOOP_SCRIPTS_H
#define LP_LOOP_SCRIPTS_H

#include <stddef.h>

typedef struct lp_script {
  const char *name;  /* the module's name: "luapool.task" for scripts/luapool/task.lua */
  const char *chunk; /* for luaL_loadbufferx: "=luapool/task.lua" */
  const unsigned char *bytes;
  size_t len;
} lp_script;

extern const lp_script lp_scripts[]; /* ends with an entry whose name is NULL */
extern const size_t lp_scripts_count;

#endif
