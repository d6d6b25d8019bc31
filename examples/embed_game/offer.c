/* offer.c: what the game offers its scripts: a module of C functions. One of them waits:
 * game.frame(), which each actor calls at the end of what it does in a frame. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "game.h"

/* The game is an upvalue of each function. */
static game *game_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static actor *check_actor(lua_State *L) {
  lua_Integer id = luaL_checkinteger(L, 1);
  luaL_argcheck(L, id >= 1 && id <= MOST_ACTORS, 1, "no such actor");
  return &game_of(L)->actors[id - 1];
}

/* game.actor(red, green, blue) -> id, or nil when there are too many. */
static int game_actor(lua_State *L) {
  game *g = game_of(L);
  for (int i = 0; i < MOST_ACTORS; i++) {
    actor *a = &g->actors[i];
    if (a->alive) continue;
    *a = (actor){.alive = true, .x = WIDTH / 2, .y = HEIGHT / 2};
    a->red = (Uint8)luaL_checkinteger(L, 1);
    a->green = (Uint8)luaL_checkinteger(L, 2);
    a->blue = (Uint8)luaL_checkinteger(L, 3);
    lua_pushinteger(L, i + 1);
    return 1;
  }
  return 0;
}

/* game.remove(id) */
static int game_remove(lua_State *L) {
  check_actor(L)->alive = false;
  return 0;
}

/* game.at(id) -> x, y */
static int game_at(lua_State *L) {
  const actor *a = check_actor(L);
  lua_pushnumber(L, a->x);
  lua_pushnumber(L, a->y);
  return 2;
}

/* game.place(id, x, y) */
static int game_place(lua_State *L) {
  actor *a = check_actor(L);
  a->x = (float)luaL_checknumber(L, 2);
  a->y = (float)luaL_checknumber(L, 3);
  return 0;
}

/* game.steer(id, vx, vy): pixels a second. */
static int game_steer(lua_State *L) {
  actor *a = check_actor(L);
  a->vx = (float)luaL_checknumber(L, 2);
  a->vy = (float)luaL_checknumber(L, 3);
  return 0;
}

/* game.score([add]) -> score */
static int game_score(lua_State *L) {
  game *g = game_of(L);
  g->score += (int)luaL_optinteger(L, 1, 0);
  lua_pushinteger(L, g->score);
  return 1;
}

/* game.board(line, text): a line of the leaderboard, from 1 on. */
static int game_board(lua_State *L) {
  game *g = game_of(L);
  lua_Integer line = luaL_checkinteger(L, 1);
  luaL_argcheck(L, line >= 1 && line <= LINES, 1, "no such line");
  snprintf(g->board[line - 1], sizeof g->board[0], "%s", luaL_checkstring(L, 2));
  return 0;
}

/* A call of game.frame() that was cancelled is answered at once and waits no longer. */
static void stop_waiting(luapool_call *call, void *arg) {
  game *g = arg;
  for (int i = 0; i < g->waiting_count; i++) {
    if (g->waiting[i] != call) continue;
    g->waiting[i] = g->waiting[--g->waiting_count];
    luapool_answer(call, LUAPOOL_ECANCELLED);
    return;
  }
}

static const luapool_call_class frame_class = {
    .size = sizeof frame_class, .name = "the next frame", .cancel = stop_waiting};

/* game.frame(): waits for the next frame. */
static int game_frame(lua_State *L) {
  game *g = game_of(L);
  if (g->waiting_count == g->waiting_room) {
    int room = g->waiting_room ? 2 * g->waiting_room : 64;
    luapool_call **more = realloc(g->waiting, (size_t)room * sizeof *more);
    if (!more) return luaL_error(L, "not enough memory");
    g->waiting = more;
    g->waiting_room = room;
  }
  luapool_call *call = luapool_call_new(L, &frame_class, g);
  g->waiting[g->waiting_count++] = call;
  return luapool_await(L, call, -1);
}

void answer_frame(game *g) {
  int n = g->waiting_count;
  g->waiting_count = 0;
  for (int i = 0; i < n; i++) luapool_answer(g->waiting[i], LUAPOOL_OK);
}

static game *offered; /* luaopen functions get no argument of the host's */

static int open_game(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"actor", game_actor}, {"remove", game_remove}, {"at", game_at},
      {"place", game_place}, {"steer", game_steer},   {"score", game_score},
      {"board", game_board}, {"frame", game_frame},   {NULL, NULL}};
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, offered);
  luaL_setfuncs(L, functions, 1);
  lua_pushinteger(L, WIDTH);
  lua_setfield(L, -2, "width");
  lua_pushinteger(L, HEIGHT);
  lua_setfield(L, -2, "height");
  lua_pushstring(L, offered->server);
  lua_setfield(L, -2, "server");
  return 1;
}

int offer_module(game *g) {
  offered = g;
  return luapool_module(g->rt, "game", open_game);
}
