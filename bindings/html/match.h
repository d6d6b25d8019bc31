/* bindings/html/match.h: which elements of a tree a CSS selector finds.
 *
 * Elements are visited in the order of the document; each is compared with the last compound of
 * the selector, and looks from there to its left. What has been found out about a run of
 * ancestors, of siblings or about a subtree is remembered for the rest of the query, so that no
 * chain of combinators, no :has and no :nth-… visits a node more than a few times: a query
 * takes a time that is linear in the nodes, times the length of the selector. Nothing recurses
 * over the tree. Layer: bindings. */
#ifndef LPB_HTML_MATCH_H
#define LPB_HTML_MATCH_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bindings/html/limit.h"
#include "bindings/html/memo.h"
#include "bindings/html/selector.h"

typedef struct lpb_html_match {
  const lpb_html_selector *selector;
  /* The node that is asked: :scope. */
  xmlNode *scope;
  lpb_html_memo memo;
  /* Counts what is done; a query that lasts too long, or has no memory, stops by it. */
  lpb_html_limit *limit;
  /* Names by their text, for :nth-of-type; made when it is needed. */
  xmlDict *names;
  /* How many times the children of a node have been counted. */
  uint64_t counted;
} lpb_html_match;

/* Does any of a list of complex selectors find this element? `list` is the first of them. */
bool lpb_html_match_list(lpb_html_match *m, int list, xmlNode *element);

/* Does this complex selector find it? */
bool lpb_html_match_complex(lpb_html_match *m, int complex, xmlNode *element);

/* Gives its memory back. Safe on a zeroed struct. */
void lpb_html_match_close(lpb_html_match *m);

#endif
