/* bindings/html/xpath.c: XPath queries on the nodes of luapool.html.
 *
 * A query is compiled once and kept by its text. libxml2 evaluates it in C memory; the result
 * is pushed in protected mode, so that it is given back also when Lua runs out of memory.
 * Elements come out as nodes; attributes, text and comments as strings. What is wrong with a
 * query is an error of kind `query`. Layer: bindings; any process. */
#include "bindings/html/xpath.h"

#include <libxml/xpathInternals.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bindings/html/cache.h"
#include "bindings/html/hush.h"
#include "bindings/html/limit.h"
#include "bindings/html/node.h"
#include "bindings/html/regex.h"
#include "runtime/base/locale.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

static const char CLASS[] = "luapool.html.XPath";

/* Names the cache of compiled queries. */
static const char cache;

/* The first thing that libxml2 said about a query; it is kept from printing. */
typedef struct complaint {
  char text[200];
  bool too_many; /* it is that there were too many operations */
} complaint;

/* What libxml2's codes mean, from XML_XPATH_EXPRESSION_OK on. */
static const char *const MEANINGS[] = {
    "no error",
    "bad number",
    "unfinished literal",
    "a literal was expected",
    "a variable was expected",
    "undefined variable",
    "invalid predicate",
    "invalid expression",
    "missing closing brace",
    "unknown function",
    "invalid operand",
    "invalid type",
    "wrong number of arguments",
    "invalid context size",
    "invalid context position",
    "not enough memory",
    "syntax error",
    "resource error",
    "sub-resource error",
    "undefined namespace prefix",
    "invalid UTF-8",
    "invalid character",
    "invalid context",
    "stack usage error",
    "forbidden variable",
    "too many operations",
    "nested too deep",
};

static void on_error(void *data, xmlError *error) {
  complaint *c = data;
  size_t i = (size_t)(error->code - XML_XPATH_EXPRESSION_OK),
         n = sizeof MEANINGS / sizeof *MEANINGS;
  if (c->text[0]) return;
  c->too_many = i == XPATH_OP_LIMIT_EXCEEDED;
  snprintf(c->text, sizeof c->text, "%s at column %d", i < n ? MEANINGS[i] : "error",
           error->int1 + 1);
}

/* Some complaints go only here, and would be printed: unknown functions and prefixes. */
static void on_print(void *data, const char *format, ...) {
  complaint *c = data;
  va_list arguments;
  if (c->text[0]) return;
  va_start(arguments, format);
  vsnprintf(c->text, sizeof c->text, format, arguments);
  va_end(arguments);
  char *text = strchr(c->text, ' '); /* behind the name of libxml2's function */
  if (text && text[-1] == ':') memmove(c->text, text + 1, strlen(text));
  c->text[strcspn(c->text, "\n")] = '\0';
}

/* Reads a query. It knows no document, and may be used on any. */
static xmlXPathCompExpr *compile(const char *query, complaint *c) {
  xmlXPathCompExpr *compiled = NULL;
  lpb_html_hush hush = lpb_html_hush_begin(on_print, c);
  xmlXPathContext *context = xmlXPathNewContext(NULL);
  if (context) {
    context->error = on_error;
    context->userData = c;
    compiled = xmlXPathCtxtCompile(context, (const xmlChar *)query);
    xmlXPathFreeContext(context);
  }
  lpb_html_hush_end(&hush);
  return compiled;
}

/* A query, a document, and what has become of them. */
typedef struct evaluation {
  lpb_html_node *node;
  lpb_html_regex regex;
  lpb_html_limit limit;
  complaint complaint;
  xmlXPathObject *result;
} evaluation;

bool lpb_html_xpath_prepare(lpb_html_node_doc *doc) {
  if (!doc->xpath) {
    doc->xpath = xmlXPathNewContext(doc->xml);
    if (doc->xpath && !lpb_html_regex_register(doc->xpath)) {
      xmlXPathFreeContext(doc->xpath);
      doc->xpath = NULL;
    }
  }
  return doc->xpath;
}

/* libxml2 knows no time, but a limit of operations. So a query is tried with few, which is
 * enough for nearly all, and again with more of them as long as there is time: an eighth of
 * what a long one takes is lost. It changes nothing, so it can be tried again. */
enum { FIRST_LIMIT = 1 << 17, GROWTH = 8 };

/* Returns how many operations to try next, or 0 when the query has ended. */
static unsigned long attempt(evaluation *e, xmlXPathCompExpr *compiled,
                             xmlXPathContext *context, unsigned long most) {
  double began = lpb_html_limit_clock();
  if (most == FIRST_LIMIT) e->limit.began = began;
  e->complaint = (complaint){{0}, false};
  context->opCount = 0;
  context->opLimit = most;
  e->result = xmlXPathCompiledEval(compiled, context);
  if (e->result || !e->complaint.too_many) return 0;
  double now = lpb_html_limit_clock(), left = e->limit.seconds - (now - e->limit.began);
  double fit = (double)most * left / fmax(now - began, 1e-9);
  if (fit > (double)most) return (unsigned long)fmin(fit, (double)most * GROWTH);
  e->limit.state = LPB_HTML_LIMIT_LATE;
  return 0;
}

static void evaluate(evaluation *e, xmlXPathCompExpr *compiled) {
  if (!lpb_html_xpath_prepare(e->node->doc)) return;
  xmlXPathContext *context = e->node->doc->xpath;
  context->error = on_error;
  context->userData = &e->complaint;
  context->extra = &e->regex;
  context->node = e->node->xml;
  lpb_html_hush hush = lpb_html_hush_begin(on_print, &e->complaint);
  locale_t before = lp_locale_begin();
  unsigned long most = FIRST_LIMIT;
  while (most) most = attempt(e, compiled, context, most);
  lp_locale_end(before);
  lpb_html_hush_end(&hush);
}

static int query_gc(lua_State *L) {
  xmlXPathCompExpr **compiled = lua_touserdata(L, 1);
  xmlXPathFreeCompExpr(*compiled);
  *compiled = NULL;
  return 0;
}

/* The compiled query of the text at this index; pushes its userdata. */
static xmlXPathCompExpr *query_at(lua_State *L, int text) {
  if (lpb_html_cache_get(L, &cache, text)) return *(xmlXPathCompExpr **)lua_touserdata(L, -1);
  size_t len;
  const char *query = lua_tolstring(L, text, &len);
  if (strlen(query) != len) lp_raise(L, "query", "XPath '%s': it contains a NUL", query);
  xmlXPathCompExpr **compiled = lp_object_new(L, sizeof *compiled, 0);
  *compiled = NULL;
  luaL_setmetatable(L, CLASS);
  complaint c = {{0}, false};
  *compiled = compile(query, &c);
  if (!*compiled) {
    const char *why = c.text[0] ? c.text : "not enough memory";
    lp_raise(L, "query", "XPath '%s': %s", query, why);
  }
  lpb_html_cache_set(L, &cache, text);
  return *compiled;
}

static void push_nodes(lua_State *L, int doc, const xmlNodeSet *set) {
  lpb_html_node_push_items(L, doc, set ? set->nodeTab : NULL, set ? (size_t)set->nodeNr : 0);
}

static void push_number(lua_State *L, double x) {
  lua_Integer i;
  if (lua_numbertointeger(x, &i) && (double)i == x) {
    lua_pushinteger(L, i);
  } else {
    lua_pushnumber(L, x);
  }
}

/* Arguments: the evaluation, the document's userdata. */
static int push_result(lua_State *L) {
  const xmlXPathObject *result = ((evaluation *)lua_touserdata(L, 1))->result;
  switch (result->type) {
  case XPATH_NODESET: push_nodes(L, 2, result->nodesetval); break;
  case XPATH_BOOLEAN: lua_pushboolean(L, result->boolval); break;
  case XPATH_NUMBER: push_number(L, result->floatval); break;
  case XPATH_STRING: lua_pushstring(L, (const char *)result->stringval); break;
  default: lua_pushnil(L);
  }
  return 1;
}

/* Raises why a query gave no result. */
static int raise_failure(lua_State *L, const evaluation *e, const char *query) {
  if (e->regex.late)
    return lp_raise(L, "timeout", "XPath '%s': a pattern tries too many ways", query);
  if (e->limit.state == LPB_HTML_LIMIT_LATE)
    return lp_raise(L, "timeout", "XPath '%s': stopped after %f s of computing", query,
                    e->limit.seconds);
  const char *why = e->regex.fault[0]      ? e->regex.fault
                    : e->complaint.text[0] ? e->complaint.text
                                           : "not enough memory";
  return lp_raise(L, "query", "XPath '%s': %s", query, why);
}

/* core.xpath(node, query, seconds) -> what the query gives. */
static int html_xpath(lua_State *L) {
  evaluation e = {.node = lpb_html_node_self(L, "Node:xpath")};
  const char *query = luaL_checkstring(L, 2);
  e.limit.seconds = luaL_checknumber(L, 3);
  lua_settop(L, 3);
  xmlXPathCompExpr *compiled = query_at(L, 2);
  lua_pushcfunction(L, push_result);
  lua_pushlightuserdata(L, &e);
  lua_getiuservalue(L, 1, 1);
  evaluate(&e, compiled);
  bool failed = !e.result;
  int status = failed ? LUA_OK : lua_pcall(L, 2, 1, 0);
  xmlXPathFreeObject(e.result);
  lpb_html_regex_close(&e.regex);
  if (failed) return raise_failure(L, &e, query);
  return status == LUA_OK ? 1 : lua_error(L);
}

const luaL_Reg lpb_html_xpath_functions[] = {{"xpath", html_xpath}, {NULL, NULL}};

void lpb_html_xpath_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", query_gc}, {NULL, NULL}};
  luaL_newmetatable(L, CLASS);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}
