/* game.h: what the parts of the game share. */
#ifndef GAME_H
#define GAME_H

#include <SDL2/SDL.h>
#include <luapool.h>
#include <stdbool.h>

enum { WIDTH = 960, HEIGHT = 540, MOST_ACTORS = 400, LINES = 6 };

typedef struct actor {
  bool alive;
  float x, y, vx, vy;
  Uint8 red, green, blue;
} actor;

/* Times of frames in classes of doubling width. */
enum { CLASSES = 8, SHOWN = 240 };

typedef struct frames {
  int classes[CLASSES];
  int64_t last[SHOWN]; /* the latest frames, for the graph */
  int count;
  int64_t longest;
} frames;

typedef struct game {
  luapool *rt;
  luapool_env *env;
  const char *scripts; /* the folder with the scripts */
  const char *server;  /* the URL that scripts may ask */
  actor actors[MOST_ACTORS];
  luapool_call **waiting; /* calls of game.frame() that the next frame answers */
  int waiting_count, waiting_room;
  int score;
  int broken;            /* how often a script broke a limit */
  char board[LINES][64]; /* the leaderboard, as scripts have written it */
  char message[128];     /* the latest thing that went wrong */
  frames frames;
} game;

/* offer.c: the module "game", which scripts require. Returns 0 or a code of luapool.h. */
int offer_module(game *g);

/* offer.c: lets all tasks that wait in game.frame() go on. */
void answer_frame(game *g);

/* graph.c: notes how long the scripts had in a frame, in microseconds of CPU. */
void frames_note(frames *f, int64_t us);

/* graph.c: draws the latest frames as columns; the line stands for 1/60 s. */
void frames_draw(const frames *f, SDL_Renderer *renderer);

/* graph.c: prints how many frames took how long. */
void frames_print(const frames *f);

#endif
