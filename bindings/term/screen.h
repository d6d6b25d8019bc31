/* bindings/term/screen.h: the bars at the bottom of the terminal. Layer: bindings. Process:
 * main. */
#ifndef LPB_TERM_SCREEN_H
#define LPB_TERM_SCREEN_H

#include <lauxlib.h>

/* Puts the functions of the screen into the table on top of the stack. */
void lpb_term_screen_open(lua_State *L);

#endif
