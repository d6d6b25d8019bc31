/* bindings/fs/op.c: operations on files, as ops.
 *
 * Each is a job of libuv's thread pool that works on copies. So a cancelled task goes on at
 * once, and the job only gives its memory back when it ends. A job that has begun is done to
 * the end. Only the other end of a pipe is not waited for in a thread: the loop waits for it,
 * between two turns of the job. Layer: bindings. */
#include "bindings/fs/op.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/libuv.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"

static const double PATIENCE = 0.05; /* seconds until a pipe is looked at again */

/* ---- waiting ---- */

static void end(lpb_fs_op *f, int rc) {
  lpb_fs_work_close(&f->w);
  lp_op_finish(&f->op, rc);
  lp_op_release(&f->op);
}

static void run(uv_work_t *job) {
  lpb_fs_op *f = lp_list_of(job, lpb_fs_op, job);
  f->rc = f->verb->work(&f->w);
}

static void ran(uv_work_t *job, int status);

static void go_on(lpb_fs_op *f) {
  int rc = f->given_up ? LP_ECANCELLED : lp_libuv_queue(f->st->loop, &f->job, run, ran);
  f->working = rc == 0;
  if (rc < 0) end(f, rc);
}

static void on_pause(lp_timer *t) {
  go_on(lp_list_of(t, lpb_fs_op, pause));
}

static void on_poll_closed(uv_handle_t *handle) {
  lpb_fs_op *f = lp_list_of(handle, lpb_fs_op, poll);
  f->polling = false;
  go_on(f);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events; /* an error shows in the thread */
  uv_close((uv_handle_t *)poll, on_poll_closed);
}

/* What cannot be polled is looked at again. */
static int wait_before_next(lpb_fs_op *f) {
  int events = f->w.events == POLLIN ? UV_READABLE : UV_WRITABLE;
  f->polling = f->w.events && uv_poll_init(f->st->loop, &f->poll, f->w.fd) == 0;
  if (f->polling) {
    uv_poll_start(&f->poll, events, on_poll); /* never fails */
    return 0;
  }
  f->pause.fire = on_pause;
  return lp_loop_after(f->st, &f->pause, PATIENCE);
}

static void ran(uv_work_t *job, int status) {
  lpb_fs_op *f = lp_list_of(job, lpb_fs_op, job);
  int rc = status < 0 ? status : f->rc;
  f->working = false;
  if (rc == LPB_FS_WORK_AGAIN) {
    rc = f->given_up ? LP_ECANCELLED : wait_before_next(f);
    if (rc == 0) return;
  }
  end(f, rc);
}

static void fs_cancel(lp_op *op, int why) {
  lpb_fs_op *f = (lpb_fs_op *)op;
  f->given_up = true;
  lp_op_finish(op, why);
  if (f->working) {
    uv_cancel((uv_req_t *)&f->job); /* when no thread has begun it, none will */
  } else if (f->polling) {
    if (!uv_is_closing((uv_handle_t *)&f->poll))
      uv_close((uv_handle_t *)&f->poll, on_poll_closed);
  } else {
    lp_timer_stop(&f->st->timers, &f->pause);
    end(f, why);
  }
}

static void fs_close(lp_op *op) {
  lpb_fs_op *f = (lpb_fs_op *)op;
  if (f->w.made) rmdir(f->w.path);
  lp_alloc_free(f->w.path);
  lp_buf_close(&f->w.data);
  if (f->w.opened >= 0) close(f->w.opened);
}

static int raise_failed(lua_State *L, lpb_fs_op *f) {
  int code = f->op.status;
  if (f->w.other)
    lp_raise_push(L, "fs", "cannot %s '%s' to '%s': %s", f->verb->name, f->w.path, f->w.other,
                  strerror(-code));
  else
    lp_raise_push(L, "fs", "cannot %s '%s': %s", f->verb->name, f->w.path, strerror(-code));
  lua_pushstring(L, f->w.path);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, uv_err_name(code));
  lua_setfield(L, -2, "code");
  return lua_error(L);
}

static int fs_results(lua_State *L, lp_op *op) {
  lpb_fs_op *f = (lpb_fs_op *)op;
  if (lp_error_is_ours(op->status)) return lp_op_raise(L, op);
  if (op->status < 0) return raise_failed(L, f);
  return f->verb->push ? f->verb->push(L, f) : 0;
}

static const lp_op_class fs_class = {
    .name = "fs", .cancel = fs_cancel, .results = fs_results, .close = fs_close};

int lpb_fs_op_await(lua_State *L, lpb_fs_op *f, int rc) {
  if (rc == 0) {
    lp_op_hold(&f->op);
    go_on(f);
  } else {
    lp_op_finish(&f->op, rc);
  }
  return lp_op_await(L, &f->op, -1);
}

lpb_fs_op *lpb_fs_op_new(lua_State *L, const lpb_fs_op_verb *verb) {
  lpb_fs_op *f = lp_op_new(L, &fs_class, sizeof *f);
  f->st = lp_state_of(L);
  f->verb = verb;
  f->w.fd = f->w.opened = -1;
  f->w.most = lp_heap_room(&f->st->heap);
  return f;
}

int lpb_fs_op_set_paths(lpb_fs_op *f, const char *path, const char *to) {
  size_t len = strlen(path) + 1, more = to ? strlen(to) + 1 : 0;
  f->w.path = lp_alloc_new(len + more);
  if (!f->w.path) return LP_EMEMORY;
  memcpy(f->w.path, path, len);
  if (!to) return 0;
  f->w.other = memcpy(f->w.path + len, to, more);
  return 0;
}
