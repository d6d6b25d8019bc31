/* bindings/dns/answer.c: what a look-up has found. Layer: bindings. */
#include "bindings/dns/answer.h"

#include <stdbool.h>
#include <string.h>
#include <uv.h>

#include "runtime/base/alloc.h"

void lpb_dns_answer_free(lpb_dns_answer *a) {
  lp_alloc_free(a->name);
  lp_alloc_free(a->addresses);
  *a = (lpb_dns_answer){0};
}

int lpb_dns_answer_name(lpb_dns_answer *a, const char *name) {
  size_t size = strlen(name) + 1;
  a->name = lp_alloc_new(size);
  if (!a->name) return UV_ENOMEM;
  memcpy(a->name, name, size);
  return 0;
}

int lpb_dns_answer_add(lpb_dns_answer *a, const struct sockaddr *address) {
  bool six = address->sa_family == AF_INET6;
  if (!six && address->sa_family != AF_INET) return 0;
  size_t size = ((size_t)a->count + 1) * sizeof *a->addresses;
  struct sockaddr_in6 *list = lp_alloc_resize(a->addresses, size);
  if (!list) return UV_ENOMEM;
  a->addresses = list;
  memset(&list[a->count], 0, sizeof *list);
  memcpy(&list[a->count++], address,
         six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  return 0;
}

int lpb_dns_answer_set(lpb_dns_answer *a, const char *name, const struct addrinfo *list) {
  lpb_dns_answer_free(a);
  int rc = lpb_dns_answer_name(a, list && list->ai_canonname ? list->ai_canonname : name);
  for (; list && rc == 0; list = list->ai_next) rc = lpb_dns_answer_add(a, list->ai_addr);
  return rc < 0 ? rc : a->count ? 0 : UV_EAI_NONAME;
}

void lpb_dns_answer_copy(lpb_dns_answer *to, const lpb_dns_answer *from) {
  *to = (lpb_dns_answer){.status = from->status, .expires = from->expires};
  if (from->status < 0) return;
  int rc = lpb_dns_answer_name(to, from->name);
  for (int i = 0; i < from->count && rc == 0; i++)
    rc = lpb_dns_answer_add(to, (const struct sockaddr *)&from->addresses[i]);
  if (rc == 0) return;
  lpb_dns_answer_free(to);
  to->status = rc;
}

const char *lpb_dns_answer_text(int status) {
  if (status == UV_EAI_AGAIN) return "the DNS servers gave no answer";
  return status == UV_EAI_NONAME ? "unknown node or service" : uv_strerror(status);
}
