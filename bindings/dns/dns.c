/* bindings/dns/dns.c: luapool.dns: names to addresses, as the system resolves them (/etc/hosts,
 * DNS). A look-up runs in one of libuv's threads; a cancelled task goes on at once. Layer:
 * bindings. */
#include "bindings/dns/dns.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <string.h>
#include <uv.h>

#include "bindings/bindings.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

typedef struct dns_op {
  lp_op op;
  uv_getaddrinfo_t request;
  const char *name; /* on the stack of who waits */
  lpb_dns_push *push;
} dns_op;

static void found(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  dns_op *d = lp_list_of(request, dns_op, request);
  (void)list; /* the request keeps it */
  lp_op_finish(&d->op, status);
  lp_op_release(&d->op);
}

static void dns_cancel(lp_op *op, int why) {
  uv_cancel((uv_req_t *)&((dns_op *)op)->request); /* in vain once a thread has begun */
  lp_op_finish(op, why);
}

static int dns_results(lua_State *L, lp_op *op) {
  dns_op *d = (dns_op *)op;
  if (op->status <= LP_ECANCELLED) return lp_op_raise(L, op); /* a code of ours */
  return d->push(L, d->name, op->status, op->status < 0 ? NULL : d->request.addrinfo);
}

static void dns_close(lp_op *op) {
  uv_freeaddrinfo(((dns_op *)op)->request.addrinfo);
}

static const lp_op_class dns_class = {
    .name = "dns", .cancel = dns_cancel, .results = dns_results, .close = dns_close};

int lpb_dns_await(lua_State *L, const char *name, const char *service,
                  const struct addrinfo *hints, lpb_dns_push *push) {
  dns_op *d = lp_op_new(L, &dns_class, sizeof *d);
  d->name = name;
  d->push = push;
  int rc = uv_getaddrinfo(lp_op_loop(&d->op), &d->request, found, name, service, hints);
  if (rc == 0)
    lp_op_hold(&d->op);
  else
    lp_op_finish(&d->op, rc);
  return lp_op_await(L, &d->op, -1);
}

void lpb_dns_push_address(lua_State *L, const struct sockaddr *address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void *bytes = &((const struct sockaddr_in *)address)->sin_addr;
  if (address->sa_family == AF_INET6)
    bytes = &((const struct sockaddr_in6 *)address)->sin6_addr;
  inet_ntop(address->sa_family, bytes, text, sizeof text);
  lua_pushstring(L, text);
}

static int push_list(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  if (status < 0) {
    lp_raise_push(L, "dns", "cannot look up '%s': %s", name, uv_strerror(status));
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, uv_err_name(status));
    lua_setfield(L, -2, "code");
    return lua_error(L);
  }
  lua_newtable(L);
  for (lua_Integer i = 1; list; i++, list = list->ai_next) {
    lpb_dns_push_address(L, list->ai_addr);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* dns.lookup(name) -> list of addresses, "127.0.0.1" and "::1", the best first. Waits. Raises
 * kind `dns` with `name` and `code` ("EAI_NONAME"). */
static int dns_lookup(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, strlen(name) == len, 1, "a name cannot hold a zero byte");
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  return lpb_dns_await(L, name, NULL, &hints, push_list);
}

int luaopen_luapool_dns(lua_State *L) {
  static const luaL_Reg functions[] = {{"lookup", dns_lookup}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
