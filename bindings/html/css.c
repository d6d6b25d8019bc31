/* bindings/html/css.c: a query by a CSS selector: the selector is read or taken from the cache,
 * the tree is walked, and what was found is pushed in protected mode, so that no memory is lost
 * when Lua has none. Layer: bindings; any process. */
#include "bindings/html/css.h"

#include <stdio.h>
#include <string.h>

#include "bindings/html/attribute.h"
#include "bindings/html/cache.h"
#include "bindings/html/match.h"
#include "bindings/html/node.h"
#include "bindings/html/tree.h"
#include "runtime/base/alloc.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

enum { NONE = LPB_HTML_SELECTOR_NONE };

static const char SELECTOR[] = "luapool.html.Selector";

/* Names the cache of selectors, and the function that guesses what a name was meant to be. */
static const char cache, hint;

/* What the last query of this thread counted: tests look at it. */
static _Thread_local uint64_t last_steps;

/* What a query finds: elements, texts and attributes, in the order of the document. */
typedef struct found {
  xmlNode **nodes;
  size_t count, size;
} found;

typedef struct query {
  lpb_html_match match;
  lpb_html_limit limit;
  found found;
  /* Finding more than this is not needed. */
  size_t most;
} query;

static bool add(query *q, void *node) {
  found *f = &q->found;
  if (f->count == f->size) {
    size_t size = f->size ? 2 * f->size : 16;
    xmlNode **wider = lp_alloc_resize(f->nodes, size * sizeof *wider);
    if (!wider) {
      q->limit.state = LPB_HTML_LIMIT_NO_MEMORY;
      return false;
    }
    f->nodes = wider;
    f->size = size;
  }
  f->nodes[f->count++] = node;
  return f->count < q->most;
}

/* Is this thing among those of the current element that were just added? */
static bool is_new(const query *q, size_t before, const void *node) {
  for (size_t i = before; i < q->found.count; i++)
    if (q->found.nodes[i] == node) return false;
  return true;
}

/* Adds what the selector gives of an element: itself, its attributes. False: that is enough. */
static bool visit_element(query *q, xmlNode *e, bool inside) {
  const lpb_html_selector *s = q->match.selector;
  size_t before = q->found.count;
  bool done = false, more = true;
  for (int i = s->list; i != NONE && more; i = s->complexes[i].next) {
    const lpb_html_selector_complex *c = &s->complexes[i];
    void *thing = e;
    if (c->result == LPB_HTML_RESULT_TEXT || (!inside && !c->behind)) continue;
    if (c->result == LPB_HTML_RESULT_ATTRIBUTE) {
      thing = lpb_html_attribute_find(e, &c->attribute);
    } else if (done) {
      continue;
    }
    if (!thing || !is_new(q, before, thing) || !lpb_html_match_complex(&q->match, i, e))
      continue;
    done = done || thing == e;
    more = add(q, thing);
  }
  return more;
}

/* Adds a text that stands in an element which the selector finds. */
static bool visit_text(query *q, xmlNode *text, bool inside) {
  const lpb_html_selector *s = q->match.selector;
  for (int i = s->list; i != NONE; i = s->complexes[i].next) {
    const lpb_html_selector_complex *c = &s->complexes[i];
    if (c->result != LPB_HTML_RESULT_TEXT || (!inside && !c->behind)) continue;
    if (lpb_html_match_complex(&q->match, i, text->parent)) return add(q, text);
  }
  return true;
}

static bool visit(query *q, xmlNode *n, bool inside) {
  if (!lpb_html_limit_step(&q->limit)) return false;
  switch (n->type) {
  case XML_ELEMENT_NODE: return visit_element(q, n, inside);
  case XML_TEXT_NODE:
  case XML_CDATA_SECTION_NODE: return visit_text(q, n, inside);
  default: return true;
  }
}

/* Visits all that is inside a node. */
static bool walk(query *q, xmlNode *root, bool inside) {
  bool texts = q->match.selector->gives_strings;
  xmlNode *n = texts ? lpb_html_tree_after_any(root, root) : lpb_html_tree_after(root, root);
  while (n && visit(q, n, inside))
    n = texts ? lpb_html_tree_after_any(n, root) : lpb_html_tree_after(n, root);
  return !n;
}

/* A selector that begins with + or ~ looks at what stands behind the scope, too; one that
 * begins with ::attr at the scope itself. */
static void find(query *q) {
  const lpb_html_selector *s = q->match.selector;
  xmlNode *scope = q->match.scope;
  bool behind = false;
  for (int i = s->list; i != NONE; i = s->complexes[i].next)
    behind = behind || s->complexes[i].behind;
  if (s->gives_strings && scope->type == XML_ELEMENT_NODE) {
    for (int i = s->list; i != NONE; i = s->complexes[i].next) {
      const lpb_html_selector_complex *c = &s->complexes[i];
      void *attribute =
          c->result == LPB_HTML_RESULT_ATTRIBUTE && s->compounds[c->last].combinator == 's'
              ? lpb_html_attribute_find(scope, &c->attribute)
              : NULL;
      bool finds =
          attribute && is_new(q, 0, attribute) && lpb_html_match_complex(&q->match, i, scope);
      if (finds && !add(q, attribute)) return;
    }
  }
  if (!walk(q, scope, true) || !behind) return;
  for (xmlNode *n = lpb_html_tree_next(scope); n; n = lpb_html_tree_next(n))
    if (!visit(q, n, false) || !walk(q, n, false)) return;
}

static int selector_gc(lua_State *L) {
  lpb_html_selector_close(lua_touserdata(L, 1));
  return 0;
}

/* Pushes " (did you mean 'first-child'?)", or "". */
static void push_hint(lua_State *L, const lpb_html_scan_fault *fault) {
  lua_pushliteral(L, "");
  if (!fault->known || lua_rawgetp(L, LUA_REGISTRYINDEX, &hint) != LUA_TFUNCTION) return;
  lua_pushstring(L, fault->unknown);
  lua_newtable(L);
  for (int i = 0; fault->known[i]; i++) {
    lua_pushstring(L, fault->known[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_call(L, 2, 1);
}

static int raise_fault(lua_State *L, int text, const lpb_html_scan_fault *fault) {
  if (!fault->text[0]) return lp_raise(L, "memory", "not enough memory");
  push_hint(L, fault);
  lp_raise_push(L, "query", "CSS '%s': %s%s%s at column %d", lua_tostring(L, text), fault->text,
                lua_tostring(L, -1), fault->known ? " before this" : "", (int)fault->column);
  lua_pushinteger(L, (lua_Integer)fault->column);
  lua_setfield(L, -2, "column");
  return lua_error(L);
}

/* The selector of the text at this index; pushes its userdata. */
static const lpb_html_selector *selector_at(lua_State *L, int text) {
  if (lpb_html_cache_get(L, &cache, text)) return lua_touserdata(L, -1);
  size_t length;
  const char *bytes = lua_tolstring(L, text, &length);
  lpb_html_scan_fault fault;
  lpb_html_selector *s = lp_object_new(L, sizeof *s, 0);
  *s = (lpb_html_selector){0};
  luaL_setmetatable(L, SELECTOR);
  if (!lpb_html_selector_open(s, bytes, length, &fault)) raise_fault(L, text, &fault);
  lpb_html_cache_set(L, &cache, text);
  return s;
}

static query new_query(const lpb_html_selector *s, xmlNode *scope, double seconds) {
  return (query){.match = {.selector = s, .scope = scope}, .limit = {.seconds = seconds}};
}

/* Frees the query, and raises what has stopped it. */
static void end_query(lua_State *L, query *q, const char *text) {
  last_steps = q->limit.steps;
  lpb_html_match_close(&q->match);
  lp_alloc_free(q->found.nodes);
  if (q->limit.state == LPB_HTML_LIMIT_NO_MEMORY) lp_raise(L, "memory", "not enough memory");
  if (q->limit.state == LPB_HTML_LIMIT_LATE)
    lp_raise(L, "timeout", "CSS '%s': stopped after %f s of computing", text, q->limit.seconds);
}

/* Arguments: what was found, the document's userdata, whether one is wanted alone. */
static int push_found(lua_State *L) {
  const found *f = lua_touserdata(L, 1);
  if (!lua_toboolean(L, 3)) {
    lpb_html_node_push_items(L, 2, f->nodes, f->count);
  } else if (f->count > 0) {
    lpb_html_node_push_item(L, 2, f->nodes[0]);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* core.css(node, selector, seconds, first) -> a list, or with `first` the first or nil. */
static int html_css(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:css");
  const char *text = luaL_checkstring(L, 2);
  double seconds = luaL_checknumber(L, 3);
  bool first = lua_toboolean(L, 4);
  lua_settop(L, 4);
  query q = new_query(selector_at(L, 2), node->xml, seconds);
  q.match.limit = &q.limit;
  q.most = first ? 1 : SIZE_MAX;
  lua_pushcfunction(L, push_found);
  lua_pushlightuserdata(L, &q.found);
  lua_getiuservalue(L, 1, 1);
  lua_pushboolean(L, first);
  find(&q);
  bool stopped = q.limit.state != LPB_HTML_LIMIT_OPEN;
  int status = stopped ? LUA_OK : lua_pcall(L, 3, 1, 0);
  end_query(L, &q, text);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* core.closest(node, selector, seconds, levels) -> the node itself or the nearest around it
 * that the selector finds, looking at so many (0: all), or nil. */
static int html_closest(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:closest");
  const char *text = luaL_checkstring(L, 2);
  lua_Integer levels = luaL_checkinteger(L, 4);
  double seconds = luaL_checknumber(L, 3);
  const lpb_html_selector *s = selector_at(L, 2);
  if (s->gives_strings)
    return lp_raise(L, "query", "CSS '%s': no pseudo-element may stand here", text);
  query q = new_query(s, node->xml, seconds);
  q.match.limit = &q.limit;
  xmlNode *n = node->xml;
  while (n && !(n->type == XML_ELEMENT_NODE && lpb_html_match_list(&q.match, s->list, n)))
    n = --levels == 0 ? NULL : n->parent;
  end_query(L, &q, text);
  lua_getiuservalue(L, 1, 1);
  if (n)
    lpb_html_node_push(L, lua_gettop(L), n);
  else
    lua_pushnil(L);
  return 1;
}

/* core.steps() -> what the last query by a selector counted, about the nodes it looked at. */
static int html_steps(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)last_steps);
  return 1;
}

/* core.hints(fn): fn(name, known) tells which known name was meant. */
static int html_hints(lua_State *L) {
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &hint);
  return 0;
}

const luaL_Reg lpb_html_css_functions[] = {{"css", html_css},
                                           {"closest", html_closest},
                                           {"steps", html_steps},
                                           {"hints", html_hints},
                                           {NULL, NULL}};

void lpb_html_css_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", selector_gc}, {NULL, NULL}};
  luaL_newmetatable(L, SELECTOR);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}
