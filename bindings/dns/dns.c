/* bindings/dns/dns.c: a task looks a name up. Layer: bindings. */
#include "bindings/dns/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <uv.h>

#include "runtime/loop/allow.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"

typedef struct dns_op {
  lp_op op;
  lpb_dns_resolver_query query;
  lpb_dns_answer answer;
  const char *name; /* on the stack of who waits */
  lpb_dns_push *push;
} dns_op;

static void found(lpb_dns_resolver_query *q, const lpb_dns_answer *answer) {
  dns_op *d = lp_list_of(q, dns_op, query);
  lpb_dns_answer_copy(&d->answer, answer);
  lp_op_finish(&d->op, 0);
}

static void dns_cancel(lp_op *op, int why) {
  lpb_dns_resolver_stop(&((dns_op *)op)->query);
  lp_op_finish(op, why);
}

static int dns_results(lua_State *L, lp_op *op) {
  dns_op *d = (dns_op *)op;
  if (op->status < 0) return lp_op_raise(L, op);
  return d->push(L, d->name, &d->answer);
}

static void dns_close(lp_op *op) {
  lpb_dns_answer_free(&((dns_op *)op)->answer);
}

static void dns_which(const lp_op *op, char *text, size_t size) {
  snprintf(text, size, "%s", ((const dns_op *)op)->name);
}

static const lp_op_class dns_class = {.name = "dns",
                                      .cancel = dns_cancel,
                                      .results = dns_results,
                                      .close = dns_close,
                                      .which = dns_which};

int lpb_dns_await(lua_State *L, const char *name, lpb_dns_lookup_kind kind,
                  lpb_dns_push *push) {
  if (lp_allow_guarded(L)) {
    lp_allow(L, LP_ALLOW_NET, lua_pushfstring(L, "dns://%s", name));
    lua_pop(L, 1);
  }
  dns_op *d = lp_op_new(L, &dns_class, sizeof *d);
  d->name = name;
  d->push = push;
  d->query.done = found;
  const lpb_dns_answer *known = lpb_dns_resolver_ask(lp_state_of(L), &d->query, name, kind);
  if (known) found(&d->query, known);
  return lp_op_await(L, &d->op, -1);
}

void lpb_dns_push_address(lua_State *L, const struct sockaddr_in6 *address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void *bytes = &((const struct sockaddr_in *)address)->sin_addr;
  if (address->sin6_family == AF_INET6) bytes = &address->sin6_addr;
  inet_ntop(address->sin6_family, bytes, text, sizeof text);
  lua_pushstring(L, text);
}
