/* graph.c: how long the scripts have in each frame: on the screen, and as a table at the end.
 */
#include <stdio.h>

#include "game.h"

enum { FRAME_US = 16667 };

static const int64_t limits[CLASSES] = {250, 500, 1000, 2000, 4000, 8000, FRAME_US, INT64_MAX};

void frames_note(frames *f, int64_t us) {
  int class = 0;
  while (us > limits[class]) class ++;
  f->classes[class]++;
  f->last[f->count++ % SHOWN] = us;
  if (us > f->longest) f->longest = us;
}

void frames_draw(const frames *f, SDL_Renderer *renderer) {
  enum { LEFT = 10, BOTTOM = HEIGHT - 10, HIGH = 100, WIDE = 2 };
  SDL_SetRenderDrawColor(renderer, 70, 70, 90, 255);
  SDL_RenderDrawLine(renderer, LEFT, BOTTOM - HIGH, LEFT + SHOWN * WIDE, BOTTOM - HIGH);
  SDL_RenderDrawLine(renderer, LEFT, BOTTOM, LEFT + SHOWN * WIDE, BOTTOM);
  for (int i = 0; i < SHOWN && i < f->count; i++) {
    int64_t us = f->last[(f->count - 1 - i) % SHOWN];
    int high = (int)(us * HIGH / FRAME_US);
    bool late = us > FRAME_US;
    if (high < 1) high = 1;
    SDL_SetRenderDrawColor(renderer, late ? 255 : 90, late ? 80 : 200, 120, 255);
    SDL_Rect column = {LEFT + (SHOWN - 1 - i) * WIDE, BOTTOM - high, WIDE, high};
    SDL_RenderFillRect(renderer, &column);
  }
}

void frames_print(const frames *f) {
  printf("milliseconds of CPU that luapool took in a frame:\n");
  for (int i = 0; i < CLASSES; i++) {
    if (i == CLASSES - 1)
      printf("  longer   ");
    else
      printf("  to %6.2f", (double)limits[i] / 1000);
    printf("  %6d  ", f->classes[i]);
    for (int n = f->count ? f->classes[i] * 50 / f->count : 0; n > 0; n--) putchar('#');
    putchar('\n');
  }
  printf("longest %.2f, %d frames\n", (double)f->longest / 1000, f->count);
}
