/* tests/bench/queue_floor.c: what luapool.queue asks of SQLite, in bare C: N jobs are put in
 * one transaction, then claimed and settled with their results, MANY at a time, by the
 * statements and in the tables of the store.
 *
 * usage: queue_floor DATABASE N MANY, of a database that luapool.queue has made; N is a
 * multiple of 40 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 40, SHARED = 6 };

static sqlite3 *db;

static void check(int rc) {
  if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW) return;
  fprintf(stderr, "%s\n", sqlite3_errmsg(db));
  exit(1);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
  return stmt;
}

static void run(sqlite3_stmt *stmt) {
  check(sqlite3_step(stmt));
  sqlite3_reset(stmt);
}

static sqlite3_int64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (sqlite3_int64)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void put_all(int n) {
  char sql[2000] = "INSERT INTO job (id, kind, state, priority, args, put, time, ttl) VALUES ";
  for (int i = 0, at = SHARED + 1; i < BLOCK; i++, at += 2) {
    size_t len = strlen(sql);
    snprintf(sql + len, sizeof sql - len, "%s(?%d, ?1, ?2, ?3, ?%d, ?4, ?5, ?6)", i ? ", " : "",
             at, at + 1);
  }
  strcat(sql, " ON CONFLICT (id) DO NOTHING");
  sqlite3_stmt *put = prepare(sql);
  char ids[BLOCK][37], args[BLOCK][32];
  run(prepare("BEGIN IMMEDIATE"));
  for (int i = 0; i < n; i += BLOCK) {
    for (int k = 0; k < BLOCK; k++) {
      unsigned long long time = (unsigned long long)now();
      snprintf(ids[k], sizeof ids[k], "%08llx-%04llx-7%03x-%04x-%08x%04x",
               time >> 28 & 0xFFFFFFFF, time >> 12 & 0xFFFF, (unsigned)time & 0xFFF,
               0x8000 | (rand() & 0x3FFF), (unsigned)rand(), (i + k) & 0xFFFF);
      snprintf(args[k], sizeof args[k], "{\"id\":%d}", i + k + 1);
      int at = SHARED + 1 + 2 * k;
      check(sqlite3_bind_text(put, at, ids[k], 36, SQLITE_STATIC));
      check(sqlite3_bind_text(put, at + 1, args[k], -1, SQLITE_STATIC));
    }
    check(sqlite3_bind_int(put, 1, 1));
    check(sqlite3_bind_int(put, 2, 2));
    check(sqlite3_bind_int(put, 3, 0));
    check(sqlite3_bind_int64(put, 4, now()));
    run(put);
  }
  run(prepare("COMMIT"));
}

typedef struct job {
  sqlite3_int64 seq, token;
  char args[32];
} job;

static int claim(sqlite3_stmt *read, sqlite3_stmt *claims, job *jobs, int many) {
  int n = 0;
  sqlite3_bind_int(read, 1, many);
  while (sqlite3_step(read) == SQLITE_ROW) {
    jobs[n].seq = sqlite3_column_int64(read, 0);
    jobs[n].token = sqlite3_column_int64(read, 2);
    snprintf(jobs[n].args, sizeof jobs[n].args, "%s", sqlite3_column_text(read, 4));
    n++;
  }
  check(sqlite3_reset(read));
  sqlite3_bind_int64(claims, 1, now());
  sqlite3_bind_int(claims, 2, 1);
  sqlite3_bind_int(claims, 3, many);
  run(claims);
  return n;
}

static void settle(sqlite3_stmt *stmt, const job *j) {
  sqlite3_int64 time = now();
  sqlite3_bind_text(stmt, 1, j->args, -1, SQLITE_STATIC);
  sqlite3_bind_int64(stmt, 2, time);
  sqlite3_bind_int64(stmt, 3, time + 3600000000);
  sqlite3_bind_int64(stmt, 4, j->seq);
  sqlite3_bind_int64(stmt, 5, j->token);
  sqlite3_bind_int(stmt, 6, 1);
  run(stmt);
  if (sqlite3_changes(db) != 1) exit(2);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int n = atoi(argv[2]), many = atoi(argv[3]), taken = 0, done = 0;
  check(sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
  check(sqlite3_exec(db,
                     "PRAGMA synchronous = FULL; PRAGMA secure_delete = 0; "
                     "PRAGMA recursive_triggers = 1;"
                     "INSERT OR IGNORE INTO kind (id, name) VALUES (1, 'noop')",
                     NULL, NULL, NULL));
  put_all(n);
  sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
#define HEAD                                                                                   \
  " FROM job INDEXED BY job_ready WHERE state = 2 AND kind = 1 ORDER BY priority DESC, seq "   \
  "LIMIT "
  sqlite3_stmt *read = prepare("SELECT seq, id, token + 1, kind, args, attempts + 1, priority, "
                               "put, ttl, key, uniq_for, parent, marked, expires" HEAD "?1");
  sqlite3_stmt *claims = prepare(
      "UPDATE job SET state = 5, owner = ?2, token = token + 1, attempts = attempts + 1, "
      "started = ?1, time = NULL WHERE seq IN (SELECT seq" HEAD "?3)");
  sqlite3_stmt *settles = prepare("UPDATE job SET state = 6, owner = NULL, result = ?, ended = "
                                  "?, time = ? WHERE seq = ? AND "
                                  "token = ? AND owner = ? AND state = 5");
  job *jobs = malloc((size_t)many * sizeof *jobs);
  do {
    run(begin);
    for (int i = 0; i < taken; i++, done++) settle(settles, &jobs[i]);
    taken = claim(read, claims, jobs, many);
    run(commit);
  } while (taken > 0);
  return done == n ? 0 : 3;
}
