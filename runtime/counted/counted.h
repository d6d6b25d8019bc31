/* counted/counted.h: functions of the standard library that may run for ever in C, as functions
 * of ours that count their steps and end when a budget does.
 *
 * They serve environments that the host does not trust, and runtimes with budgets of CPU. All
 * others keep the standard functions. What these return and raise, ours return and raise; where
 * that does not say it all: the order of elements that sort finds equal, and how it asks;
 * formats of string.pack and of os.date are limited in length. Layer: counted, above loop. */
#ifndef LP_COUNTED_COUNTED_H
#define LP_COUNTED_COUNTED_H

#include <lua.h>

/* Stack: a table with the standard functions of the library of this name, a copy. Puts ours in
 * place of those that we have. */
void lp_counted_replace(lua_State *L, const char *library);

/* The same for the libraries of the globals. */
void lp_counted_open(lua_State *L);

#endif
