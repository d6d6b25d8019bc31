/* bindings/term/stdin.h: reading from stdin waits, in the program. Layer: bindings. Process:
 * main.
 */
#ifndef LPB_TERM_STDIN_H
#define LPB_TERM_STDIN_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_term_stdin_functions[];

#endif
