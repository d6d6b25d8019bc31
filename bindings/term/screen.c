/* bindings/term/screen.c: a block of lines kept at the bottom of the
 * terminal (the bars), with everything else above it.
 *
 * While a block stands, the runtime's `output` and `report` (what workers print, errors nobody
 * awaited) go through here: the block is wiped, the text written, the block drawn again. Each
 * change is one write. How many rows the block takes is reckoned with the terminal's width of
 * the moment, so it survives a resize. Layer: bindings. Owner: the Lua state. Process: main. */
#include "bindings/term/screen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/loop/part.h"
#include "runtime/loop/state.h"

enum { OUT = 2, DEFAULT_COLUMNS = 80 };

static const char SCREEN[] = "luapool.screen";

typedef struct screen {
  lp_state *st;
  lp_part part; /* registered while it stands between the runtime and its host */
  lp_buf block; /* the lines, without a newline at the end */
  bool shown;   /* it stands on the terminal now */
  bool held;    /* it may not: somebody is writing a line */
  void (*output)(lp_state *st, int fd, const char *text, size_t len); /* those of the host */
  void (*report)(lp_state *st, const char *text);
} screen;

static int columns(void) {
  struct winsize size;
  bool known = ioctl(OUT, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : DEFAULT_COLUMNS;
}

/* Nobody is told when the terminal has gone: bars are no results. */
static void put(const char *text, size_t len) {
  while (len > 0) {
    ssize_t n = write(OUT, text, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    text += n;
    len -= (size_t)n;
  }
}

/* The rows that the block takes in a terminal of this width; one column a character. */
static int rows(const lp_buf *block, int width) {
  int total = 1, column = 0;
  for (size_t i = 0; i < block->len; i++) {
    unsigned char c = (unsigned char)block->data[i];
    if (c == '\n') {
      total++;
      column = 0;
    } else if ((c & 0xC0) != 0x80 && ++column > width) {
      total++;
      column = 1;
    }
  }
  return total;
}

/* What wipes the block when the cursor stands at its end. Returns the length. */
static int wipe(const screen *s, char *text, size_t size) {
  int up = rows(&s->block, columns()) - 1;
  if (up == 0) return snprintf(text, size, "\r\033[J");
  return snprintf(text, size, "\r\033[%dA\033[J", up);
}

static void hide(screen *s) {
  char text[32];
  if (!s->shown) return;
  s->shown = false;
  put(text, (size_t)wipe(s, text, sizeof text));
}

static void show(screen *s) {
  if (s->shown || s->held || s->block.len == 0) return;
  s->shown = true;
  put(s->block.data, s->block.len);
}

static const lp_part_class screen_class = {NULL};

static screen *find(lp_state *st) {
  lp_part *part = lp_part_find(st, &screen_class);
  return part ? lp_list_of(part, screen, part) : NULL;
}

static void on_output(lp_state *st, int fd, const char *text, size_t len) {
  screen *s = find(st);
  hide(s);
  if (s->output) s->output(st, fd, text, len);
  show(s);
}

static void on_report(lp_state *st, const char *text) {
  screen *s = find(st);
  hide(s);
  if (s->report) s->report(st, text);
  show(s);
}

/* Stands between the runtime and its host. */
static void interpose(screen *s) {
  lp_state *st = s->st;
  if (find(st)) return;
  s->output = st->output;
  s->report = st->report;
  st->output = on_output;
  st->report = on_report;
  lp_part_add(st, &s->part, &screen_class);
}

static int screen_close(lua_State *L) {
  screen *s = lua_touserdata(L, 1);
  hide(s);
  lp_buf_close(&s->block);
  if (s->st && find(s->st) == s) {
    s->st->output = s->output;
    s->st->report = s->report;
    lp_part_remove(&s->part);
  }
  s->st = NULL;
  return 0;
}

static screen *self(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* screen.draw(text): the block from now on; "" for none. Without memory for it, it stays as it
 * was. */
static int screen_draw(lua_State *L) {
  screen *s = self(L);
  size_t len, wiped = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  char start[32];
  lp_buf next = {0};
  if (s->shown) wiped = (size_t)wipe(s, start, sizeof start);
  if (lp_buf_append(&next, start, wiped) < 0 || lp_buf_append(&next, text, len) < 0) {
    lp_buf_close(&next);
    return 0;
  }
  interpose(s);
  put(next.data, s->held ? wiped : next.len);
  lp_buf_consume(&next, wiped);
  lp_buf_close(&s->block);
  s->block = next;
  s->shown = len > 0 && !s->held;
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

/* screen.print(text): whole lines to stderr, above the block. */
static int screen_print(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  hide(self(L));
  put(text, len);
  show(self(L));
  return 0;
}

/* screen.columns() -> the width of the terminal. */
static int screen_columns(lua_State *L) {
  lua_pushinteger(L, columns());
  return 1;
}

void lpb_term_screen_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"draw", screen_draw},       {"hold", screen_hold},
                                       {"release", screen_release}, {"print", screen_print},
                                       {"columns", screen_columns}, {NULL, NULL}};
  screen *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (screen){.st = lp_state_of(L)};
  if (luaL_newmetatable(L, SCREEN)) {
    lua_pushcfunction(L, screen_close);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  luaL_setfuncs(L, functions, 1);
}
