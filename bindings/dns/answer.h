/* bindings/dns/answer.h: what a look-up has found. Layer: bindings. Owner: whoever embeds it.
 */
#ifndef LPB_DNS_ANSWER_H
#define LPB_DNS_ANSWER_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>

typedef struct lpb_dns_answer {
  /* 0, or a negative code of libuv; then nothing else is set. */
  int status;
  /* When the name must be looked up again, as uv_hrtime counts. */
  uint64_t expires;
  /* The canonical name. */
  char *name;
  /* The addresses, the best first, without ports. An IPv4 address is a sockaddr_in in the same
   * place. */
  struct sockaddr_in6 *addresses;
  int count;
} lpb_dns_answer;

/* Frees what an answer holds and zeroes it. */
void lpb_dns_answer_free(lpb_dns_answer *a);

/* Makes a copy. For want of memory its status is UV_ENOMEM. */
void lpb_dns_answer_copy(lpb_dns_answer *to, const lpb_dns_answer *from);

/* Sets the name of an answer that has none. Returns 0 or UV_ENOMEM. */
int lpb_dns_answer_name(lpb_dns_answer *a, const char *name);

/* Adds an address; one of another family than IPv4 and IPv6 is left out. Returns 0 or
 * UV_ENOMEM.
 */
int lpb_dns_answer_add(lpb_dns_answer *a, const struct sockaddr *address);

/* Sets the canonical name, which is `name` unless the list has one, and all addresses. Returns
 * 0, UV_ENOMEM, or UV_EAI_NONAME when the list has no address. */
int lpb_dns_answer_set(lpb_dns_answer *a, const char *name, const struct addrinfo *list);

/* What a negative status means, in words. */
const char *lpb_dns_answer_text(int status);

#endif
