/* api/program.c: finds the program by the place of the library, so that the installed tree may
 * be moved, and a host need not have its folder in the PATH. Layer: api. */
#include "runtime/api/program.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char found[PATH_MAX] = "luapool";

/* A name that is not absolute is not looked at: whatever the working folder is would decide. */
static void look(void) {
  Dl_info us;
  if (!dladdr((void *)lp_program_find, &us) || !us.dli_fname || *us.dli_fname != '/') return;
  int folder = (int)(strrchr(us.dli_fname, '/') - us.dli_fname);
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%.*s/" LP_LIBRARY_TO_PROGRAM, folder, us.dli_fname);
  if (len < (int)sizeof path && access(path, X_OK) == 0) memcpy(found, path, (size_t)len + 1);
}

const char *lp_program_find(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, look);
  return found;
}
