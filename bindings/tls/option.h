/* bindings/tls/option.h: LuaSec's names for versions, options and ways of verification. Layer:
 * bindings. */
#ifndef LPB_TLS_OPTION_H
#define LPB_TLS_OPTION_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>

/* What verification looks past. */
enum {
  LPB_TLS_OPTION_CONTINUE = 1,       /* it notes what is wrong and goes on */
  LPB_TLS_OPTION_IGNORE_PURPOSE = 2, /* what a certificate is said to be for */
};

/* Sets the version that a name stands for; 0: any. Returns false when nobody knows the name. */
bool lpb_tls_option_version(const char *name, int *version);

/* These add what a name stands for, and return false when nobody knows it. */
bool lpb_tls_option_named(const char *name, uint64_t *options);
bool lpb_tls_option_verify(const char *name, int *mode);
bool lpb_tls_option_verifyext(const char *name, unsigned long *flags, unsigned *lenient);

/* Pushes two tables: the names of versions, and those of options, each as a key whose value is
 * true. */
void lpb_tls_option_push(lua_State *L);

#endif
