/* loop/allow.h: what scripts may do to the outside.
 *
 * Two judges are asked before a script reaches a file, an address, a program: the bits of the
 * environment of the current task, and the host's callback, which is told the subject. Every
 * binding asks with one line, before it queues work for a thread or begins a transfer. A
 * refusal raises kind `denied`. A runtime without either pays one test of a byte. Layer: loop.
 * Owner: lp_state. */
#ifndef LP_LOOP_ALLOW_H
#define LP_LOOP_ALLOW_H

#include <stdbool.h>
#include <sys/socket.h>

#include "runtime/loop/environment.h"
#include "runtime/loop/state.h"

/* The same values as LUAPOOL_ALLOW_*. The subject of each stands behind it. */
enum {
  LP_ALLOW_NET = 1,       /* "https://host/path", "tcp://1.2.3.4:443", "dns://name", … */
  LP_ALLOW_READ = 2,      /* a path */
  LP_ALLOW_WRITE = 4,     /* a path */
  LP_ALLOW_EXEC = 8,      /* a program, or a line for the shell */
  LP_ALLOW_POOLS = 16,    /* "pool.new" */
  LP_ALLOW_BYTECODE = 32, /* the name of the chunk */
  LP_ALLOW_NATIVE = 64,   /* the path of the library */
  LP_ALLOW_DEBUG = 128,   /* "debug.sethook" */
  LP_ALLOW_PROCESS = 256, /* "os.exit" */
};
#define LP_ALLOW_ALL (~0u)

/* Sets what every environment of the runtime may do at most, and whom to ask (NULL: nobody).
 * The callback returns 0 to refuse. */
void lp_allow_open(lp_state *st, unsigned allowed,
                   int (*ask)(lp_state *st, unsigned what, const char *subject));

/* The bits of the environment of the current task. */
static inline unsigned lp_allow_bits(lua_State *L) {
  const lp_state *st = lp_state_of(L);
  return st->allowed & lp_environment_allowed(st, st->environment);
}

/* Is anything refused here at all? Ask first where the subject costs something to make. */
static inline bool lp_allow_guarded(lua_State *L) {
  return lp_state_of(L)->guarded;
}

/* What the functions below do when the runtime is guarded. */
void lp_allow_check(lua_State *L, unsigned what, const char *subject);
void lp_allow_check_path(lua_State *L, unsigned what, const char *path);
void lp_allow_check_entry(lua_State *L, unsigned what, const char *path);
void lp_allow_check_address(lua_State *L, const char *scheme, const struct sockaddr *address);

/* Raises kind `denied` when a bit of `what` lacks; the host is not asked. */
void lp_allow_bit(lua_State *L, unsigned what, const char *subject);

/* Raises kind `denied` unless all bits of `what` are there and the host accepts. */
static inline void lp_allow(lua_State *L, unsigned what, const char *subject) {
  if (lp_allow_guarded(L)) lp_allow_check(L, what, subject);
}

/* The same for a file or folder. The host is told the absolute path, in which "..", "." and
 * symbolic links are resolved, so it may look at how the text begins. */
static inline void lp_allow_path(lua_State *L, unsigned what, const char *path) {
  if (lp_allow_guarded(L)) lp_allow_check_path(L, what, path);
}

/* The same where a link itself is meant and not what it points to: removed, renamed. */
static inline void lp_allow_entry(lua_State *L, unsigned what, const char *path) {
  if (lp_allow_guarded(L)) lp_allow_check_entry(L, what, path);
}

/* The same for an address, "tcp://1.2.3.4:80". Schemes: tcp, udp; "bind" for one of ours. */
static inline void lp_allow_to(lua_State *L, const char *scheme,
                               const struct sockaddr *address) {
  if (lp_allow_guarded(L)) lp_allow_check_address(L, scheme, address);
}

/* Raises the error: `what` has one bit. `refused`: the host has refused, else the bit lacks. */
int lp_allow_raise(lua_State *L, unsigned what, const char *subject, bool refused);

/* Does the host accept an address, as "tcp://1.2.3.4:80"? For callbacks of libraries, which may
 * not raise. The bit NET was looked at when the task began. */
bool lp_allow_address(lp_state *st, const char *scheme, const struct sockaddr *address);

/* Asks for the permission of this name, "read", for the Lua half. */
void lp_allow_named(lua_State *L, const char *name, const char *subject);

#endif
