/* bindings/dns/dns.c: names to addresses, as the system resolves them (/etc/hosts, DNS). A
 * look-up runs in one of libuv's threads; a cancelled task goes on at once. Layer: bindings. */
#include "bindings/dns/dns.h"

#include <arpa/inet.h>
#include <uv.h>

#include "runtime/base/error.h"
#include "runtime/loop/op.h"
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
  if (lp_error_is_ours(op->status)) return lp_op_raise(L, op);
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
