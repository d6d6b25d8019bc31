/* loop/warning.c: Lua's warnings. They come in pieces, in the middle of whatever Lua does, and
 * so raise nothing. Layer: loop. */
#include "runtime/loop/warning.h"

#include <lua.h>
#include <string.h>

#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

/* How Lua begins to tell of an error that it cannot raise. Behind it: a place and, in brackets,
 * the error, if it is a string. */
static const char FAILED[] = "error in __gc (";

/* Protected. Argument: an error object. */
static int push_message(lua_State *L) {
  lua_pushliteral(L, "message");
  lua_rawget(L, 1);
  return 1;
}

/* The error itself is still on top of the stack where the collector runs. Pushes its text there
 * when it is an error object of ours, and returns it; else NULL. */
static const char *push_object(lua_State *L) {
  if (lua_gettop(L) == 0 || !lua_checkstack(L, 4) || !lp_raise_kind(L, -1)) return NULL;
  lua_pushcfunction(L, push_message);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_isstring(L, -1)) return lua_tostring(L, -1);
  lua_pop(L, 1);
  return NULL;
}

static void report_error(lp_state *st, const char *text) {
  static const char WHERE[] = "in a finalizer: ";
  lp_buf line = {0};
  size_t len = strlen(text);
  int rc = lp_buf_append(&line, WHERE, sizeof WHERE - 1);
  if (rc == 0) rc = lp_buf_append(&line, text, len);
  lp_text(st, LP_TEXT_ERROR, rc == 0 ? line.data : text, rc == 0 ? line.len : len);
  lp_buf_close(&line);
}

static void report_finalizer(lp_state *st, char *text, size_t len) {
  lua_State *L = st->current ? st->running : st->L;
  const char *object = push_object(L);
  text[len - 1] = 0; /* the closing bracket */
  report_error(st, object ? object : text + strlen(FAILED));
  if (object) lua_pop(L, 1);
}

static void finish(lp_state *st) {
  lp_buf *text = &st->warning.text;
  size_t len = text->len;
  if (!st->text || lp_buf_append(text, "", 1) < 0) return;
  if (strncmp(text->data, FAILED, strlen(FAILED)) == 0)
    report_finalizer(st, text->data, len);
  else if (st->warning.on)
    lp_text(st, LP_TEXT_WARNING, text->data, len);
}

static void on_warning(void *of, const char *piece, int more) {
  lp_state *st = of;
  lp_warning *w = &st->warning;
  if (w->text.len == 0 && !more && *piece == '@') { /* to us */
    if (strcmp(piece, "@on") == 0) w->on = true;
    if (strcmp(piece, "@off") == 0) w->on = false;
    return;
  }
  if (lp_buf_append(&w->text, piece, strlen(piece)) < 0) return;
  if (more) return;
  finish(st);
  w->text.len = 0;
}

void lp_warning_open(lp_state *st) {
  lua_setwarnf(st->L, on_warning, st);
}

void lp_warning_close(lp_state *st) {
  lp_buf_close(&st->warning.text);
}
