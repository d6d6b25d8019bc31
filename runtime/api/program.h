/* api/program.h: the program that pools start when the host has named none. Layer: api. */
#ifndef LP_API_PROGRAM_H
#define LP_API_PROGRAM_H

/* The path of the `luapool` that was installed with this library, or "luapool", for the PATH,
 * when there is none. It lives as long as the process. */
const char *lp_program_find(void);

#endif
