/* tests/bench/wake_floor.c: the floor for what wakes another process and waits for its answer:
 * two processes that pass a few bytes to and fro over a socketpair, each asleep in epoll
 * between two messages.
 *
 * usage: wake_floor ROUNDS
 * Prints the median wall time of a round in microseconds; who runs it takes the CPU of both. On
 * idle cores nearly all of it is the kernel's, which puts a core to sleep and wakes it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 32 };

typedef struct side {
  int fd, epoll;
} side;

static side open_side(int fd) {
  side s = {fd, epoll_create1(0)};
  struct epoll_event readable = {.events = EPOLLIN};
  if (s.epoll < 0 || epoll_ctl(s.epoll, EPOLL_CTL_ADD, fd, &readable) < 0) exit(3);
  return s;
}

static void send_one(const side *s) {
  static const char message[MESSAGE];
  if (write(s->fd, message, sizeof message) != sizeof message) exit(3);
}

/* Returns 0 at the end of file. */
static int receive_one(const side *s) {
  struct epoll_event event;
  char message[MESSAGE];
  if (epoll_wait(s->epoll, &event, 1, -1) != 1) exit(3);
  return read(s->fd, message, sizeof message) > 0;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double play(const side *s, long rounds) {
  double *times = malloc((size_t)rounds * sizeof *times);
  if (!times) exit(3);
  for (long i = 0; i < rounds; i++) {
    double start = now();
    send_one(s);
    receive_one(s);
    times[i] = now() - start;
  }
  qsort(times, (size_t)rounds, sizeof *times, by_size);
  double median = times[rounds / 2];
  free(times);
  return median;
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 20000;
  int pair[2], status;
  if (rounds < 1 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return 1;
  pid_t pid = fork();
  side s = open_side(pair[pid == 0]);
  close(pair[pid != 0]);
  if (pid == 0) {
    while (receive_one(&s)) send_one(&s);
    return 0;
  }
  printf("%.1f\n", play(&s, rounds));
  close(s.fd);
  return waitpid(pid, &status, 0) == pid ? status : 1;
}
