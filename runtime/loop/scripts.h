/* loop/scripts.h: the Lua half of luapool, as it was compiled into the program.
 *
 * The build makes the table out of scripts/ (by scripts/embed.lua): one entry a file, as
 * bytecode with debug information, so that a worker starts without parsing and tracebacks keep
 * file and line. Layer: loop. Owner: nobody; constant data. */
#ifndef LP_LOOP_SCRIPTS_H
#define LP_LOOP_SCRIPTS_H

#include <lua.h>
#include <stddef.h>

/* What holds for every function of a script. scripts/embed.lua writes the flags into the
 * bytecode, behind the zero byte that ends the name of the chunk: Lua keeps them there, also in
 * a function that has travelled, and no text that a user loads can have such a name. */
enum {
  LP_SCRIPT_OURS = 1, /* part of luapool: never the line that an error of use names */
  LP_SCRIPT_WHOLE = 2 /* no time slice ends in it: its functions are steps of one piece */
};

typedef struct lp_script {
  const char *name;  /* the module's name: "luapool.task" for scripts/luapool/task.lua */
  const char *chunk; /* for luaL_loadbufferx: "=luapool/task.lua" */
  const unsigned char *bytes;
  size_t len;
} lp_script;

extern const lp_script lp_scripts[]; /* ends with an entry whose name is NULL */
extern const size_t lp_scripts_count;

/* The flags of the script of a function, for which lua_getinfo has been asked "S"; 0 when the
 * function is not of luapool. */
static inline unsigned lp_script_flags(const lua_Debug *ar) {
  size_t len = ar->srclen;
  return len >= 2 && ar->source[len - 2] == 0 ? (unsigned char)ar->source[len - 1] : 0;
}

#endif
