/* bindings/html/xpath.c: XPath queries on the nodes of luapool.html.
 *
 * A query is evaluated by libxml2 in C memory; its result is pushed in protected mode, so that
 * it is given back also when Lua runs out of memory. Elements come out as nodes; attributes,
 * text and comments as strings. What is wrong with a query is an error of kind `query`. Layer:
 * bindings; any process. */
#include "bindings/html/xpath.h"

#include <libxml/xpathInternals.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bindings/html/node.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

/* The first thing that libxml2 said about a query; it is kept from printing. */
typedef struct complaint {
  char text[200];
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

static xmlXPathObject *evaluate_in(xmlXPathContext *context, const char *query) {
  xmlXPathCompExpr *compiled = xmlXPathCtxtCompile(context, (const xmlChar *)query);
  if (!compiled) return NULL;
  xmlXPathObject *result = xmlXPathCompiledEval(compiled, context);
  xmlXPathFreeCompExpr(compiled);
  return result;
}

static xmlXPathObject *evaluate(lpb_html_node *node, const char *query, complaint *c) {
  lpb_html_node_doc *doc = node->doc;
  xmlGenericErrorFunc print = xmlGenericError;
  void *print_data = xmlGenericErrorContext;
  if (!doc->xpath) doc->xpath = xmlXPathNewContext(doc->xml);
  if (!doc->xpath) return NULL;
  doc->xpath->error = on_error;
  doc->xpath->userData = c;
  doc->xpath->node = node->xml;
  xmlSetGenericErrorFunc(c, on_print);
  xmlXPathObject *result = evaluate_in(doc->xpath, query);
  xmlSetGenericErrorFunc(print_data, print);
  return result;
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

/* Arguments: the result, the document's userdata. */
static int push_result(lua_State *L) {
  const xmlXPathObject *result = lua_touserdata(L, 1);
  switch (result->type) {
  case XPATH_NODESET: push_nodes(L, 2, result->nodesetval); break;
  case XPATH_BOOLEAN: lua_pushboolean(L, result->boolval); break;
  case XPATH_NUMBER: push_number(L, result->floatval); break;
  case XPATH_STRING: lua_pushstring(L, (const char *)result->stringval); break;
  default: lua_pushnil(L);
  }
  return 1;
}

/* Evaluates an XPath query (version 1.0) from this node. Returns a list of nodes and strings
 * (of attributes, text and comments), or a string, number or boolean where the query gives one.
 *
 * ```lua
 * local page = html.parse "<img src=a><img src=b>"
 * print(page:xpath("//img/@src")[2], page:xpath "count(//img)", #page:xpath "//p") --> b 2 0
 * print(select(2, pcall(page.xpath, page, "//[")).kind) --> query
 * ```
 * @function Node:xpath
 * @param query string
 * @return (luapool.html.Node|string)[]|string|number|boolean
 * @raises query it is no XPath */
static int node_xpath(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:xpath");
  size_t len;
  const char *query = lp_usage_string(L, 2, "Node:xpath", &len);
  complaint c = {{0}};
  if (strlen(query) != len) return lp_raise(L, "query", "XPath '%s': it contains a NUL", query);
  lua_pushcfunction(L, push_result);
  xmlXPathObject *result = evaluate(node, query, &c);
  if (!result) {
    const char *why = c.text[0] ? c.text : "not enough memory";
    return lp_raise(L, "query", "XPath '%s': %s", query, why);
  }
  lua_pushlightuserdata(L, result);
  lua_getiuservalue(L, 1, 1);
  int status = lua_pcall(L, 2, 1, 0);
  xmlXPathFreeObject(result);
  return status == LUA_OK ? 1 : lua_error(L);
}

const luaL_Reg lpb_html_xpath_methods[] = {{"xpath", node_xpath}, {NULL, NULL}};
