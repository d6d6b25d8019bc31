/* tests/bench/measure.c: runs a command to its end and tells what it cost.
 *
 * usage: measure FILE COMMAND [ARG...]
 * Writes "cpu_us wall_us rss_kb" to FILE: user and system time of the command and of all
 * processes that were waited for below it, wall time, and the largest resident set. Exits as it
 * did. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long micros(struct timeval t) {
  return t.tv_sec * 1000000LL + t.tv_usec;
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int write_cost(const char *path, long long wall) {
  struct rusage r;
  getrusage(RUSAGE_CHILDREN, &r);
  FILE *f = fopen(path, "w");
  if (!f) return -1;
  fprintf(f, "%lld %lld %ld\n", micros(r.ru_utime) + micros(r.ru_stime), wall, r.ru_maxrss);
  return fclose(f);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  long long start = now();
  pid_t pid = fork();
  if (pid == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) return 126;
  if (write_cost(argv[1], now() - start) != 0) {
    perror(argv[1]);
    return 126;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
