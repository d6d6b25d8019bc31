/* loop/allow.c: the two judges, and paths as the host sees them. Layer: loop. */
#include "runtime/loop/allow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/loop/raise.h"

static const struct {
  unsigned bit;
  const char *name, *does;
} kinds[] = {
    {LP_ALLOW_NET, "net", "reaching"},        {LP_ALLOW_READ, "read", "reading"},
    {LP_ALLOW_WRITE, "write", "writing"},     {LP_ALLOW_EXEC, "exec", "running"},
    {LP_ALLOW_POOLS, "pools", "calling"},     {LP_ALLOW_BYTECODE, "bytecode", "loading"},
    {LP_ALLOW_NATIVE, "native", "loading"},   {LP_ALLOW_DEBUG, "debug", "calling"},
    {LP_ALLOW_PROCESS, "process", "calling"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

void lp_allow_open(lp_state *st, unsigned allowed,
                   int (*ask)(lp_state *st, unsigned what, const char *subject)) {
  st->allowed = allowed;
  st->allow = ask;
  st->guarded = st->guarded || allowed != LP_ALLOW_ALL || ask;
}

int lp_allow_raise(lua_State *L, unsigned what, const char *subject, bool refused) {
  const char *name = "?", *does = "doing";
  for (int i = 0; i < KINDS; i++)
    if (kinds[i].bit == what) name = kinds[i].name, does = kinds[i].does;
  lp_raise_push(L, "denied", "%s '%s' is denied: %s", does, subject,
                refused ? "the host has refused it"
                        : lua_pushfstring(L, "this environment lacks '%s'", name));
  lua_pushstring(L, name);
  lua_setfield(L, -2, "what");
  lua_pushstring(L, subject);
  lua_setfield(L, -2, "subject");
  return lua_error(L);
}

void lp_allow_bit(lua_State *L, unsigned what, const char *subject) {
  unsigned lacking = what & ~lp_allow_bits(L);
  if (lacking) lp_allow_raise(L, lacking & -lacking, subject, false);
}

static void ask(lua_State *L, unsigned what, const char *subject) {
  lp_state *st = lp_state_of(L);
  for (; what && st->allow; what &= what - 1)
    if (!st->allow(st, what & -what, subject)) lp_allow_raise(L, what & -what, subject, true);
}

void lp_allow_check(lua_State *L, unsigned what, const char *subject) {
  lp_allow_bit(L, what, subject);
  ask(L, what, subject);
}

/* ---- paths ---- */

enum { MOST_LINKS = 40, ROOM = 2 * PATH_MAX };

/* A walk along a path: `out` is what has been resolved, `rest` what is left. */
typedef struct walk {
  char out[PATH_MAX], rest[ROOM];
  int links;
} walk;

/* The link at w->out has been appended from `len` on: its target goes in front of `left`, which
 * is the end of w->rest. Returns 1, 0 when it is no link (or is not there), or an errno. */
static int follow(walk *w, size_t len, const char *left) {
  char target[PATH_MAX];
  size_t room = ROOM - strlen(left) - 1;
  ssize_t n = readlink(w->out, target, sizeof target);
  if (n < 0) return 0;
  if (++w->links > MOST_LINKS) return -ELOOP;
  if (n == sizeof target || (size_t)n > room) return -ENAMETOOLONG;
  memmove(w->rest + n, left, strlen(left) + 1);
  memcpy(w->rest, target, (size_t)n);
  w->out[*target == '/' ? 0 : len] = 0;
  return 1;
}

/* Goes on by the first component of w->rest: `n` bytes. With `stays` a link is not followed. */
static int step(walk *w, const char *name, size_t n, bool stays) {
  const char *left = name + n;
  size_t len = strlen(w->out);
  int rc = 0;
  if (n == 2 && memcmp(name, "..", 2) == 0) {
    if (len) *strrchr(w->out, '/') = 0;
  } else if (n != 1 || *name != '.') {
    if (len + n + 2 > sizeof w->out) return -ENAMETOOLONG;
    w->out[len] = '/';
    memcpy(w->out + len + 1, name, n);
    w->out[len + 1 + n] = 0;
    rc = stays ? 0 : follow(w, len, left);
  }
  if (rc == 0) memmove(w->rest, left, strlen(left) + 1);
  return rc;
}

/* The absolute path as the system will walk it; what is not there stays as it is written. With
 * `entry` the last component is not followed. 0 or a negative errno. */
static int resolve(walk *w, const char *path, bool entry) {
  w->links = 0;
  *w->out = 0;
  if (*path != '/' && !getcwd(w->out, sizeof w->out)) return -errno;
  if (strcmp(w->out, "/") == 0) *w->out = 0;
  if (strlen(path) >= PATH_MAX) return -ENAMETOOLONG;
  strcpy(w->rest, path);
  for (;;) {
    const char *name = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(name, "/");
    if (n == 0) break;
    int rc = step(w, name, n, entry && !name[n]);
    if (rc < 0) return rc;
  }
  if (!*w->out) strcpy(w->out, "/");
  return 0;
}

static void check_path(lua_State *L, unsigned what, const char *path, bool entry) {
  lp_allow_bit(L, what, path);
  if (!lp_state_of(L)->allow) return;
  walk w;
  int rc = resolve(&w, path, entry);
  if (rc < 0) lp_raise(L, "denied", "'%s' is denied: %s", path, strerror(-rc));
  ask(L, what, w.out);
}

void lp_allow_check_path(lua_State *L, unsigned what, const char *path) {
  check_path(L, what, path, false);
}

void lp_allow_check_entry(lua_State *L, unsigned what, const char *path) {
  check_path(L, what, path, true);
}

/* ---- addresses ---- */

enum { SUBJECT = INET6_ADDRSTRLEN + 32 };

/* Writes "tcp://1.2.3.4:80" or "tcp://[::1]:80"; an address of IPv4 within IPv6 is one of IPv4.
 * False for what is no address of a network. */
static bool write_address(const char *scheme, const struct sockaddr *address, char *out) {
  char ip[INET6_ADDRSTRLEN] = "?";
  const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)address;
  const struct sockaddr_in *a4 = (const struct sockaddr_in *)address;
  bool six = address->sa_family == AF_INET6;
  if (!six && address->sa_family != AF_INET) return false;
  const void *bytes = six ? (const void *)&a6->sin6_addr : &a4->sin_addr;
  if (six && IN6_IS_ADDR_V4MAPPED(&a6->sin6_addr)) {
    bytes = (const char *)bytes + 12;
    six = false;
  }
  inet_ntop(six ? AF_INET6 : AF_INET, bytes, ip, sizeof ip);
  int port = ntohs(a4->sin_port); /* at the same place in both */
  snprintf(out, SUBJECT, six ? "%s://[%s]:%d" : "%s://%s:%d", scheme, ip, port);
  return true;
}

bool lp_allow_address(lp_state *st, const char *scheme, const struct sockaddr *address) {
  char subject[SUBJECT];
  if (!st->allow || !write_address(scheme, address, subject)) return true;
  return st->allow(st, LP_ALLOW_NET, subject);
}

void lp_allow_check_address(lua_State *L, const char *scheme, const struct sockaddr *address) {
  char subject[SUBJECT];
  if (write_address(scheme, address, subject)) lp_allow_check(L, LP_ALLOW_NET, subject);
}

/* ---- the Lua half ---- */

void lp_allow_named(lua_State *L, const char *name, const char *subject) {
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(kinds[i].name, name) != 0) continue;
    if (kinds[i].bit & (LP_ALLOW_READ | LP_ALLOW_WRITE))
      lp_allow_path(L, kinds[i].bit, subject);
    else
      lp_allow(L, kinds[i].bit, subject);
    return;
  }
  luaL_error(L, "no permission is called '%s'", name);
}
