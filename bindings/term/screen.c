/* bindings/term/screen.c: a block of lines kept at the bottom of the terminal (the bars), with
 * everything else above it.
 *
 * A program that owns the terminal says so; then the texts of the runtime that go there pass
 * through here: the block is wiped, the text written, the block drawn again when its line is
 * whole. Each change is one write. The lines of a block do not wrap, and the cursor is left at
 * the start of the first one: so whatever a resize makes of them, they are wiped from the
 * cursor on. Layer: bindings. Owner: the Lua state. Process: main. */
#include "bindings/term/screen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bindings/term/width.h"
#include "runtime/base/buf.h"
#include "runtime/base/write.h"
#include "runtime/loop/object.h"
#include "runtime/loop/part.h"
#include "runtime/loop/state.h"

enum { OUT = 2, DEFAULT_COLUMNS = 80, DEFAULT_ROWS = 24 };

static const char SCREEN[] = "luapool.screen";

/* What wipes the block. Some terminals keep a screen that is cleared from its first place on in
 * their history: so the first line is cleared alone, and the rest from its second place on. */
static const char WIPE[] = "\r\033[K\033[C\033[J\r";

/* What stands before the lines of a block: they do not wrap. Behind each of them, and behind
 * the last one: what stood there before is cleared. */
static const char BEGIN[] = "\033[?7l\r", END_OF_LINE[] = "\033[K", END[] = "\033[J\r\033[?7h";

typedef struct screen {
  lp_state *st;
  lp_part part;    /* Registered while it stands between the runtime and its host. */
  locale_t locale; /* One of UTF-8, for the widths of texts; 0 when there is none. */
  lp_buf block;    /* What draws the block in the place of an older one, from its start. */
  bool shown;      /* The block stands on the terminal now. */
  bool held;       /* The block may not be shown: somebody is writing a line. */
  bool shares;     /* Stdout is the terminal, too. */
  void (*text)(lp_state *st, int kind, const char *bytes, size_t len); /* That of the host. */
} screen;

static struct winsize terminal_size(void) {
  struct winsize size = {0};
  ioctl(OUT, TIOCGWINSZ, &size);
  if (size.ws_col == 0) size.ws_col = DEFAULT_COLUMNS;
  if (size.ws_row == 0) size.ws_row = DEFAULT_ROWS;
  return size;
}

/* Ignores that the terminal may be gone, because bars are no results. */
static void put(const char *text, size_t len) {
  (void)lp_write_all(OUT, text, len);
}

static void hide(screen *s) {
  if (!s->shown) return;
  s->shown = false;
  put(WIPE, sizeof WIPE - 1);
}

static void show(screen *s) {
  if (s->shown || s->held || s->block.len == 0) return;
  s->shown = true;
  put(s->block.data, s->block.len);
}

static const lp_part_class screen_class = {0};

static screen *find(lp_state *st) {
  lp_part *part = lp_part_find(st, &screen_class);
  return part ? lp_list_of(part, screen, part) : NULL;
}

static screen *self(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static void on_text(lp_state *st, int kind, const char *bytes, size_t len) {
  screen *s = find(st);
  bool ours = kind != LP_TEXT_OUT || s->shares;
  bool raw = kind == LP_TEXT_OUT || kind == LP_TEXT_ERR;
  if (ours && len) hide(s);
  if (s->text) s->text(st, kind, bytes, len);
  if (!ours || !len) return;
  if (raw) s->held = bytes[len - 1] != '\n';
  show(s);
}

/* screen.own(): the terminal is the program's, which shows bars there from now on. Returns
 * whether stderr is a terminal at all. */
static int screen_own(lua_State *L) {
  screen *s = self(L);
  bool terminal = isatty(OUT);
  lua_pushboolean(L, terminal);
  if (!terminal || find(s->st)) return 1;
  s->shares = isatty(STDOUT_FILENO);
  s->text = s->st->text;
  s->st->text = on_text;
  lp_part_add(s->st, &s->part, &screen_class);
  return 1;
}

/* screen.owned() -> whether bars may be drawn. */
static int screen_owned(lua_State *L) {
  const screen *s = self(L);
  lua_pushboolean(L, find(s->st) == s);
  return 1;
}

static int screen_close(lua_State *L) {
  screen *s = lua_touserdata(L, 1);
  hide(s);
  lp_buf_close(&s->block);
  if (s->locale) freelocale(s->locale);
  s->locale = (locale_t)0;
  if (s->st && find(s->st) == s) {
    s->st->text = s->text;
    lp_part_remove(&s->part);
  }
  s->st = NULL;
  return 0;
}

static int append_line(lp_buf *out, const char *text, size_t len) {
  int rc = lp_buf_append(out, text, len);
  return rc < 0 ? rc : lp_buf_append(out, END_OF_LINE, sizeof END_OF_LINE - 1);
}

/* Appends what draws these lines and leaves the cursor at their start. Returns 0 or LP_EMEMORY.
 */
static int append_block(lp_buf *out, const char *text, size_t len) {
  char back[32];
  int up = 0, rc = lp_buf_append(out, BEGIN, sizeof BEGIN - 1);
  for (const char *end; rc == 0 && (end = memchr(text, '\n', len)); up++) {
    rc = append_line(out, text, (size_t)(end - text));
    if (rc == 0) rc = lp_buf_append(out, "\n", 1);
    len -= (size_t)(end + 1 - text);
    text = end + 1;
  }
  if (rc == 0) rc = append_line(out, text, len);
  if (rc == 0) rc = lp_buf_append(out, END, sizeof END - 1);
  if (rc < 0 || up == 0) return rc;
  return lp_buf_append(out, back, (size_t)snprintf(back, sizeof back, "\033[%dA", up));
}

/* screen.draw(text): the block from now on; "" for none. Without memory for it, it stays as it
 * was. */
static int screen_draw(lua_State *L) {
  screen *s = self(L);
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lp_buf next = {0};
  if (len > 0 && append_block(&next, text, len) < 0) {
    lp_buf_close(&next);
    return 0;
  }
  if (len == 0) hide(s);
  lp_buf_close(&s->block);
  s->block = next;
  s->shown = false;
  show(s);
  return 0;
}

/* screen.hold(): wipes the block, so that others may write to the terminal. */
static int screen_hold(lua_State *L) {
  hide(self(L));
  self(L)->held = true;
  return 0;
}

/* screen.release(): the cursor is at the start of a line again: draws the block. */
static int screen_release(lua_State *L) {
  self(L)->held = false;
  show(self(L));
  return 0;
}

/* screen.print(text [, kind]): whole lines for the user: above the block where one stands.
 * `kind` is "log", or "dump". */
static int screen_print(lua_State *L) {
  static const char *const names[] = {"log", "dump", NULL};
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  int kind = luaL_checkoption(L, 2, names[0], names) ? LP_TEXT_DUMP : LP_TEXT_LOG;
  if (len && text[len - 1] == '\n') len--;
  lp_text(self(L)->st, kind, text, len);
  return 0;
}

/* screen.size() -> columns and rows of the terminal. */
static int screen_size(lua_State *L) {
  struct winsize size = terminal_size();
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

/* screen.width(text) -> how many columns it takes. */
static int screen_width(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_pushinteger(L, lpb_term_width(self(L)->locale, text, len));
  return 1;
}

/* screen.cut(text, columns) -> as much of its beginning as fits into so many columns. */
static int screen_cut(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  int columns = (int)luaL_checkinteger(L, 2);
  lua_pushlstring(L, text, lpb_term_width_fit(self(L)->locale, text, len, columns));
  return 1;
}

void lpb_term_screen_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"own", screen_own},         {"owned", screen_owned},
                                       {"draw", screen_draw},       {"hold", screen_hold},
                                       {"release", screen_release}, {"print", screen_print},
                                       {"size", screen_size},       {"width", screen_width},
                                       {"cut", screen_cut},         {NULL, NULL}};
  screen *s = lp_object_new(L, sizeof *s, 0);
  *s = (screen){.st = lp_state_of(L)};
  if (luaL_newmetatable(L, SCREEN)) {
    lua_pushcfunction(L, screen_close);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  s->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  luaL_setfuncs(L, functions, 1);
}
