/* main.c: a game whose actors are coroutines of Lua.
 *
 *     embed_game SERVER [--frames N] [--reload SECONDS] [--screenshot FILE.bmp] [--scripts DIR]
 *
 * Each frame the game lets its scripts run for at most four milliseconds, moves the actors and
 * draws them. The scripts are in a sandbox: they may ask the server of the game, and nothing
 * else; one that never ends is stopped, and the game goes on. A script that is saved is loaded
 * again while the game runs. */
#include <SDL2/SDL2_gfxPrimitives.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "game.h"

enum { FPS = 60, STEP_US = 4000, TASK_US = 50000, MEMORY = 64 << 20 };

typedef struct arguments {
  const char *server, *scripts, *screenshot;
  long frames;   /* 0: until the window is closed */
  double reload; /* seconds after which scripts are loaded again, saved or not */
} arguments;

/* ---- what the runtime tells the game ---- */

/* print, and errors that nobody has awaited. */
static void on_text(void *user, int kind, const char *bytes, size_t len) {
  game *g = user;
  fwrite(bytes, 1, len, kind == LUAPOOL_TEXT_OUT ? stdout : stderr);
  if (kind != LUAPOOL_TEXT_ERROR) return;
  fputc('\n', stderr);
  snprintf(g->message, sizeof g->message, "%.*s", (int)strcspn(bytes, "\n"), bytes);
}

/* A script broke a limit, and is closed. */
static void on_limit(void *user, int code, luapool_task *task, const char *traceback) {
  game *g = user;
  (void)task, (void)traceback;
  g->broken++;
  snprintf(g->message, sizeof g->message, "%s",
           code == LUAPOOL_ETIME ? "an actor took too long, and is gone"
                                 : "a script wants too much memory");
}

/* Scripts may ask the server of the game: its URLs, and the address behind them. */
static int on_allow(void *user, unsigned what, const char *subject) {
  const char *server = ((game *)user)->server, *authority = strstr(server, "://");
  size_t len = strlen(server);
  if (what != LUAPOOL_ALLOW_NET || !authority) return 0;
  if (strncmp(subject, "tcp://", 6) == 0) return strcmp(subject + 6, authority + 3) == 0;
  return strncmp(subject, server, len) == 0 && (subject[len] == '/' || subject[len] == '\0');
}

/* ---- scripts ---- */

/* Reads a script of the game. Returns its text, which the caller frees, or NULL. */
static char *read_script(const game *g, const char *module, char *path, size_t room,
                         size_t *len) {
  snprintf(path, room, "@%s/%s.lua", g->scripts, module);
  FILE *f = fopen(path + 1, "rb");
  if (!f) return NULL;
  char *text = malloc(1 << 20);
  *len = text ? fread(text, 1, 1 << 20, f) : 0;
  fclose(f);
  return text;
}

/* `require` asks here first: the scripts might as well come out of a packed file. */
static int on_load(void *user, const char *module, const char **bytes, size_t *len,
                   const char **chunk) {
  static char path[512];
  static char *text;
  free(text);
  text = read_script(user, module, path, sizeof path, len);
  *bytes = text;
  *chunk = path;
  return text != NULL;
}

static const char *const modules[] = {"actors", "board"};

static void reload(game *g, const char *module) {
  char path[512];
  size_t len;
  char *text = read_script(g, module, path, sizeof path, &len);
  if (!text) return;
  if (luapool_reload(g->rt, g->env, module, text, len, path) < 0)
    snprintf(g->message, sizeof g->message, "%s", luapool_error(g->rt));
  free(text);
}

/* Loads what was saved since the last look, or everything. */
static void reload_saved(game *g, bool all) {
  static time_t saved[2];
  for (int i = 0; i < 2; i++) {
    char path[512];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s.lua", g->scripts, modules[i]);
    if (stat(path, &now) < 0) continue;
    if (all || (saved[i] && saved[i] != now.st_mtime)) reload(g, modules[i]);
    saved[i] = now.st_mtime;
  }
}

static int start_scripts(game *g) {
  luapool_options o = LUAPOOL_OPTIONS;
  o.user = g;
  o.text = on_text;
  o.limit = on_limit;
  o.allow = on_allow;
  o.load = on_load;
  o.signal = SIGVTALRM;
  o.slice_us = 1000;
  o.task_us = TASK_US;
  o.block_us = 2000;
  o.memory = MEMORY;
  static const char start[] = "require('world').run()";
  int rc = luapool_open(&g->rt, &o);
  if (rc < 0) return rc;
  rc = offer_module(g);
  g->env = luapool_env_new(g->rt, LUAPOOL_ALLOW_NET);
  if (!g->env) rc = LUAPOOL_EMEMORY;
  if (rc == LUAPOOL_OK)
    rc = luapool_load(g->rt, g->env, start, sizeof start - 1, "=start", NULL, 0, NULL);
  return rc;
}

/* ---- a frame ---- */

static int64_t cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void run_scripts(game *g) {
  int64_t before = cpu_us();
  answer_frame(g);
  if (luapool_step(g->rt, STEP_US) < 0)
    snprintf(g->message, sizeof g->message, "%s", luapool_error(g->rt));
  frames_note(&g->frames, cpu_us() - before);
}

static void move_actors(game *g) {
  for (int i = 0; i < MOST_ACTORS; i++) {
    actor *a = &g->actors[i];
    a->x += a->vx / FPS;
    a->y += a->vy / FPS;
    if ((a->x < 0 && a->vx < 0) || (a->x > WIDTH && a->vx > 0)) a->vx = -a->vx;
    if ((a->y < 0 && a->vy < 0) || (a->y > HEIGHT && a->vy > 0)) a->vy = -a->vy;
  }
}

static void draw_texts(const game *g, SDL_Renderer *renderer) {
  char text[128];
  luapool_stats s = {.size = sizeof s};
  luapool_get_stats(g->rt, &s);
  snprintf(text, sizeof text, "%zu tasks  %zu KB  score %d  %d stopped", s.tasks,
           (s.lua_bytes + s.native_bytes) / 1024, g->score, g->broken);
  stringRGBA(renderer, 10, 10, text, 255, 255, 255, 255);
  stringRGBA(renderer, 10, 26, g->message, 255, 160, 120, 255);
  for (int i = 0; i < LINES; i++)
    stringRGBA(renderer, WIDTH - 200, (Sint16)(10 + 14 * i), g->board[i], 200, 220, 255, 255);
}

static void draw(const game *g, SDL_Renderer *renderer) {
  SDL_SetRenderDrawColor(renderer, 16, 18, 32, 255);
  SDL_RenderClear(renderer);
  for (int i = 0; i < MOST_ACTORS; i++) {
    const actor *a = &g->actors[i];
    if (a->alive)
      filledCircleRGBA(renderer, (Sint16)a->x, (Sint16)a->y, 4, a->red, a->green, a->blue, 255);
  }
  frames_draw(&g->frames, renderer);
  draw_texts(g, renderer);
  SDL_RenderPresent(renderer);
}

static bool is_open(void) {
  for (SDL_Event e; SDL_PollEvent(&e);)
    if (e.type == SDL_QUIT || (e.type == SDL_KEYDOWN && e.key.keysym.sym == SDLK_ESCAPE))
      return false;
  return true;
}

static void play(game *g, SDL_Renderer *renderer, const arguments *a) {
  Uint64 began = SDL_GetTicks64();
  double reloaded = 0;
  for (long n = 0; is_open() && (!a->frames || n < a->frames); n++) {
    double now = (double)(SDL_GetTicks64() - began) / 1000;
    bool all = a->reload > 0 && now - reloaded >= a->reload;
    if (all) reloaded = now;
    if (all || n % 15 == 0) reload_saved(g, all);
    run_scripts(g);
    move_actors(g);
    draw(g, renderer);
    Uint64 next = began + (Uint64)(n + 1) * 1000 / FPS;
    if (next > SDL_GetTicks64()) SDL_Delay((Uint32)(next - SDL_GetTicks64()));
  }
}

static void save_screenshot(SDL_Renderer *renderer, const char *path) {
  SDL_Surface *s =
      SDL_CreateRGBSurfaceWithFormat(0, WIDTH, HEIGHT, 32, SDL_PIXELFORMAT_ARGB8888);
  if (s && SDL_RenderReadPixels(renderer, NULL, s->format->format, s->pixels, s->pitch) == 0)
    SDL_SaveBMP(s, path);
  SDL_FreeSurface(s);
}

/* ---- the program ---- */

static bool read_arguments(int argc, char **argv, arguments *a) {
  *a = (arguments){.scripts = "scripts"};
  for (int i = 1; i < argc; i++) {
    const char *next = i + 1 < argc ? argv[i + 1] : NULL;
    if (argv[i][0] != '-')
      a->server = argv[i];
    else if (!next)
      return false;
    else if (strcmp(argv[i], "--frames") == 0)
      a->frames = atol(argv[++i]);
    else if (strcmp(argv[i], "--reload") == 0)
      a->reload = atof(argv[++i]);
    else if (strcmp(argv[i], "--screenshot") == 0)
      a->screenshot = argv[++i];
    else if (strcmp(argv[i], "--scripts") == 0)
      a->scripts = argv[++i];
    else
      return false;
  }
  return a->server != NULL;
}

int main(int argc, char **argv) {
  arguments a;
  static game g;
  SDL_Window *window;
  SDL_Renderer *renderer;
  if (!read_arguments(argc, argv, &a)) {
    fprintf(stderr, "usage: embed_game SERVER [--frames N] [--reload SECONDS] "
                    "[--screenshot FILE.bmp] [--scripts DIR]\n");
    return 2;
  }
  g.server = a.server;
  g.scripts = a.scripts;
  if (SDL_Init(SDL_INIT_VIDEO) < 0 ||
      SDL_CreateWindowAndRenderer(WIDTH, HEIGHT, 0, &window, &renderer) < 0) {
    fprintf(stderr, "embed_game: %s\n", SDL_GetError());
    return 1;
  }
  int rc = start_scripts(&g);
  if (rc < 0)
    fprintf(stderr, "embed_game: %s\n", g.rt ? luapool_error(g.rt) : "cannot open luapool");
  else
    play(&g, renderer, &a);
  if (a.screenshot) save_screenshot(renderer, a.screenshot);
  frames_print(&g.frames);
  printf("%d scripts stopped, score %d\n", g.broken, g.score);
  luapool_env_release(g.env);
  luapool_close(g.rt);
  free(g.waiting);
  SDL_Quit();
  return rc < 0 || g.frames.classes[CLASSES - 1] > 0;
}
