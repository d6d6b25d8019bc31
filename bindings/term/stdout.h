/* bindings/term/stdout.h: `print` and `io.write` of the program. Layer: bindings. Process:
 * main. */
#ifndef LPB_TERM_STDOUT_H
#define LPB_TERM_STDOUT_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_term_stdout_functions[];

#endif
