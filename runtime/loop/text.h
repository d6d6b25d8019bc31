/* loop/text.h: what a runtime has to say. The library prints nothing: each text goes, by its
 * kind, to the callback `text` of the lp_state, and is dropped where there is none. Layer:
 * loop.
 */
#ifndef LP_LOOP_TEXT_H
#define LP_LOOP_TEXT_H

#include <lua.h>
#include <stddef.h>

typedef struct lp_state lp_state;

/* Those of luapool.h. */
enum {
  /* What scripts and workers write to stdout: any bytes. An empty text asks that what came
   * before be seen now. */
  LP_TEXT_OUT = 1,
  /* The same for stderr. */
  LP_TEXT_ERR,
  /* Lines for the user, without the end of the last one: of luapool.log, of jobs and bars. */
  LP_TEXT_LOG,
  /* What every task waits for, without the end of its last line. */
  LP_TEXT_DUMP,
  /* Message and traceback of an error that nobody sees. */
  LP_TEXT_ERROR,
  /* What `warn` says. */
  LP_TEXT_WARNING
};

/* Functions of the standard library in whose place others stand. */
typedef struct lp_text_files {
  lua_CFunction write, flush, file_write, file_flush;
} lp_text_files;

/* Hands a text over. */
void lp_text(lp_state *st, int kind, const char *bytes, size_t len);

/* `print`, `io.write`, `io.flush` and the methods `write` and `flush` of stdout and stderr go
 * through here from now on. In all else they are the standard ones, and they are in C as those
 * are: they travel by name, and their errors name them. */
void lp_text_open(lua_State *L);

#endif
