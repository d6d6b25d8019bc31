/* bindings/dns/lookup.c: asks c-ares for a name, or the system for a name that c-ares cannot
 * know. Layer: bindings. */
#include "bindings/dns/lookup.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/loop/libuv.h"

/* For how many seconds an answer is believed: at least, at most, and when it does not say. */
enum { LEAST_S = 1, MOST_S = 3600, USUAL_S = 60 };

static void end(lpb_dns_lookup *l, int status, int ttl) {
  if (status < 0) lpb_dns_answer_free(&l->answer);
  l->answer.status = status;
  l->answer.expires = status < 0 ? 0 : uv_hrtime() + (uint64_t)ttl * 1000000000u;
  l->ended(l, status);
}

static struct addrinfo hints_of(const lpb_dns_lookup *l, int flags) {
  static const int families[] = {
      [LPB_DNS_ANY] = AF_UNSPEC, [LPB_DNS_IPV4] = AF_INET, [LPB_DNS_IPV6] = AF_INET6};
  return (struct addrinfo){.ai_family = families[l->kind],
                           .ai_socktype = SOCK_STREAM,
                           .ai_flags = flags | AI_CANONNAME};
}

bool lpb_dns_lookup_is_address(lpb_dns_lookup *l) {
  if (l->kind == LPB_DNS_NAME) return false;
  struct addrinfo hints = hints_of(l, AI_NUMERICHOST), *list;
  if (getaddrinfo(l->name, NULL, &hints, &list) != 0) return false;
  l->answer.status = lpb_dns_answer_set(&l->answer, l->name, list);
  l->answer.expires = UINT64_MAX;
  freeaddrinfo(list);
  return true;
}

/* --- the system's own look-up, for names that c-ares cannot know --- */

static bool is_own_name(const char *name) {
  char own[HOST_NAME_MAX + 1] = "";
  return gethostname(own, sizeof own - 1) == 0 && strcasecmp(own, name) == 0;
}

static bool ends_in_local(const char *name) {
  static const char tail[] = ".local";
  size_t len = strlen(name);
  return len > strlen(tail) && strcasecmp(name + len - strlen(tail), tail) == 0;
}

/* Names of the local network and of this machine. mDNS, NIS, WINS and systemd's myhostname know
 * no others. */
static bool is_local(const lpb_dns_lookup *l) {
  if (!l->channel->more || l->kind == LPB_DNS_NAME) return false;
  return !strchr(l->name, '.') || ends_in_local(l->name) || is_own_name(l->name);
}

/* c-ares has found nothing, so any failure means that there is no such name. The look-up is
 * NULL when it was closed meanwhile. */
static void system_done(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  lpb_dns_lookup *l = request->data;
  lp_alloc_free(request);
  if (l) {
    lpb_dns_channel *channel = l->channel;
    l->system = NULL;
    if (status == 0) status = lpb_dns_answer_set(&l->answer, l->name, list);
    end(l, status < 0 ? UV_EAI_NONAME : 0, USUAL_S);
    channel->worked(channel);
  }
  uv_freeaddrinfo(list);
}

static void ask_system(lpb_dns_lookup *l) {
  uv_getaddrinfo_t *request = lp_alloc_new(sizeof *request);
  struct addrinfo hints = hints_of(l, 0);
  int rc = UV_ENOMEM;
  if (request) {
    request->data = l;
    lp_libuv_hold hold = lp_libuv_begin();
    rc = uv_getaddrinfo(l->channel->loop, request, system_done, l->name, NULL, &hints);
    lp_libuv_end(&hold);
  }
  if (rc == 0) {
    l->system = request;
  } else {
    lp_alloc_free(request);
    end(l, rc, 0);
  }
}

/* --- c-ares --- */

/* The code of libuv for one of c-ares. */
static int code_of(int status) {
  switch (status) {
  case ARES_SUCCESS: return 0;
  case ARES_ENODATA:
  case ARES_ENOTFOUND:
  case ARES_EBADNAME:
  case ARES_ENONAME: return UV_EAI_NONAME;
  case ARES_EDESTRUCTION:
  case ARES_ECANCELLED: return UV_ECANCELED;
  case ARES_ENOMEM: return UV_ENOMEM;
  default: return UV_EAI_AGAIN;
  }
}

static void end_query(lpb_dns_lookup *l, int code, int ttl) {
  if (code == UV_EAI_NONAME && is_local(l))
    ask_system(l);
  else
    end(l, code, ttl);
}

/* Returns the name at the end of the aliases. */
static const char *canonical(const struct ares_addrinfo *found, const char *name) {
  const struct ares_addrinfo_cname *c = found->cnames;
  while (c && c->next) c = c->next;
  if (c && c->name) return c->name;
  return found->name ? found->name : name;
}

/* Returns the least time to live, within limits. Names of /etc/hosts have none: 0. */
static int least_ttl(const struct ares_addrinfo *found) {
  int ttl = MOST_S;
  for (const struct ares_addrinfo_cname *c = found->cnames; c; c = c->next)
    if (c->ttl < ttl) ttl = c->ttl;
  for (const struct ares_addrinfo_node *n = found->nodes; n; n = n->ai_next)
    if (n->ai_ttl < ttl) ttl = n->ai_ttl;
  return ttl < LEAST_S ? LEAST_S : ttl;
}

static int take(lpb_dns_answer *a, const struct ares_addrinfo *found, const char *name) {
  lpb_dns_answer_free(a);
  int rc = lpb_dns_answer_name(a, canonical(found, name));
  for (const struct ares_addrinfo_node *n = found->nodes; n && rc == 0; n = n->ai_next)
    rc = lpb_dns_answer_add(a, n->ai_addr);
  return rc < 0 ? rc : a->count ? 0 : UV_EAI_NONAME;
}

static void on_addresses(void *of, int status, int timeouts, struct ares_addrinfo *found) {
  (void)timeouts;
  lpb_dns_lookup *l = of;
  int code = code_of(status), ttl = code == 0 ? least_ttl(found) : 0;
  if (code == 0) code = take(&l->answer, found, l->name);
  ares_freeaddrinfo(found);
  end_query(l, code, ttl);
}

static void on_name(void *of, int status, int timeouts, struct hostent *found) {
  (void)timeouts;
  lpb_dns_lookup *l = of;
  int code = code_of(status);
  if (code == 0) {
    lpb_dns_answer_free(&l->answer);
    code = lpb_dns_answer_name(&l->answer, found->h_name ? found->h_name : l->name);
  }
  end_query(l, code, USUAL_S);
}

static void ask_name(lpb_dns_lookup *l) {
  struct in6_addr a;
  if (inet_pton(AF_INET, l->name, &a) == 1)
    ares_gethostbyaddr(l->channel->ares, &a, sizeof(struct in_addr), AF_INET, on_name, l);
  else if (inet_pton(AF_INET6, l->name, &a) == 1)
    ares_gethostbyaddr(l->channel->ares, &a, sizeof a, AF_INET6, on_name, l);
  else
    end(l, UV_EAI_NONAME, 0);
}

void lpb_dns_lookup_start(lpb_dns_lookup *l) {
  if (!l->channel->ares) {
    end(l, UV_ENOMEM, 0);
  } else if (l->kind == LPB_DNS_NAME) {
    ask_name(l);
  } else {
    const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_CANONNAME,
                                              .ai_family = hints_of(l, 0).ai_family,
                                              .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(l->channel->ares, l->name, NULL, &hints, on_addresses, l);
  }
}

void lpb_dns_lookup_close(lpb_dns_lookup *l) {
  if (l->system) {
    l->system->data = NULL;
    uv_cancel((uv_req_t *)l->system);
  }
  l->system = NULL;
  lpb_dns_answer_free(&l->answer);
}
