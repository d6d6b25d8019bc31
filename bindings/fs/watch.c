/* bindings/fs/watch.c: waiting until a file changes, ringing for those who wait, and on what
 * kind of file system a file lies: what processes need that share one. Layer: bindings. */
#include "bindings/fs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <uv.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

static const char CLASS[] = "luapool.fs.Watch";

/* A change that comes while nobody waits is remembered. Held by its object, its handle and the
 * task that waits. */
typedef struct watch {
  uv_fs_event_t handle;
  bool changed, open;
  int holders;
  /* At most one. */
  lp_op *waiting;
} watch;

static void release(watch *w) {
  if (--w->holders == 0) lp_alloc_free(w);
}

static void on_closed(uv_handle_t *handle) {
  release(handle->data);
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status) {
  watch *w = handle->data;
  (void)name, (void)events, (void)status; /* who waits looks for itself */
  w->changed = true;
  if (w->waiting) lp_op_finish(w->waiting, 0);
}

static watch *check(lua_State *L) {
  return *(watch **)lpb_class_check(L, CLASS);
}

/* core.watch(path) -> watch, or nil and a message: when the system has no watches left, say. It
 * does not keep the program alive. */
static int fs_watch(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lp_allow_path(L, LP_ALLOW_READ, path);
  watch **box = lp_object_new(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, CLASS);
  watch *w = *box = lp_alloc_new(sizeof *w);
  if (!w) return lp_raise_code(L, LP_EMEMORY, "fs.watch");
  w->holders = 1;
  int rc = uv_fs_event_init(lp_state_of(L)->loop, &w->handle);
  w->handle.data = w;
  if (rc == 0) {
    w->open = true;
    w->holders++;
    uv_unref((uv_handle_t *)&w->handle);
    rc = uv_fs_event_start(&w->handle, on_change, path, 0);
  }
  if (rc == 0) return 1;
  lua_pushnil(L);
  lua_pushstring(L, uv_strerror(rc));
  return 2;
}

typedef struct watch_op {
  lp_op op;
  watch *watch;
} watch_op;

static void watch_op_close(lp_op *op) {
  watch *w = ((watch_op *)op)->watch;
  if (w->waiting == op) w->waiting = NULL;
  release(w);
}

static int watch_results(lua_State *L, lp_op *op) {
  watch *w = ((watch_op *)op)->watch;
  if (op->status < 0 && op->status != LP_ETIMEOUT) return lp_op_raise(L, op);
  w->changed = false;
  return 0;
}

static const lp_op_class watch_class = {
    .name = "change of a file", .results = watch_results, .close = watch_op_close};

/* watch:wait([seconds]). Waits for a change since the last call, or so long. One task at a
 * time.
 */
static int watch_wait(lua_State *L) {
  watch *w = check(L);
  double seconds = luaL_optnumber(L, 2, -1);
  luaL_argcheck(L, w && w->open && !w->waiting, 1, "closed, or another task waits");
  watch_op *o = lp_op_new(L, &watch_class, sizeof *o);
  o->watch = w;
  w->holders++;
  w->waiting = &o->op;
  if (w->changed) lp_op_finish(&o->op, 0);
  return lp_op_await(L, &o->op, seconds);
}

/* watch:close(). Safe twice. */
static int watch_close(lua_State *L) {
  watch *w = *(watch **)lua_touserdata(L, 1);
  if (!w || !w->open) return 0;
  w->open = false;
  uv_close((uv_handle_t *)&w->handle, on_closed);
  if (w->waiting) lp_op_finish(w->waiting, 0);
  return 0;
}

static int watch_gc(lua_State *L) {
  watch **box = lua_touserdata(L, 1);
  watch_close(L);
  if (*box) release(*box);
  *box = NULL;
  return 0;
}

/* core.touch(path). Wakes who watches the file: its times change, and nothing else. */
static int fs_touch(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lp_allow_path(L, LP_ALLOW_WRITE, path);
  utimensat(AT_FDCWD, path, NULL, 0);
  return 0;
}

/* Numbers of statfs(2) whose locks or shared memory do not reach the other machines. */
static const struct {
  unsigned long type;
  const char *name;
} networks[] = {{0x6969, "NFS"},        {0x517B, "SMB"},       {0xFE534D42, "SMB"},
                {0xFF534D42, "CIFS"},   {0x01021997, "9P"},    {0x5346414F, "AFS"},
                {0x6B414653, "AFS"},    {0x00C36400, "Ceph"},  {0x0BD00BD0, "Lustre"},
                {0x73757245, "Coda"},   {0x01161970, "GFS2"},  {0x7461636F, "OCFS2"},
                {0x19830326, "BeeGFS"}, {0x47504653, "GPFS"},  {0xAAD7AAEA, "PanFS"},
                {0x564C, "NCP"},        {0xBACBACBC, "vmhgfs"}};

/* core.network_type(number) -> the name of the network file system with this number of
 * statfs(2), or nil. */
static int fs_network_type(lua_State *L) {
  unsigned long type = (unsigned long)luaL_checkinteger(L, 1) & 0xFFFFFFFFUL;
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
    if (networks[i].type != type) continue;
    lua_pushstring(L, networks[i].name);
    return 1;
  }
  return 0;
}

/* core.type_of(path) -> the number of its file system, or nil. */
static int fs_type_of(lua_State *L) {
  struct statfs st;
  const char *path = luaL_checkstring(L, 1);
  lp_allow_path(L, LP_ALLOW_READ, path);
  if (statfs(path, &st) < 0) return 0;
  lua_pushinteger(L, (lua_Integer)st.f_type & 0xFFFFFFFFL);
  return 1;
}

const luaL_Reg lpb_fs_watch_functions[] = {{"watch", fs_watch},
                                           {"touch", fs_touch},
                                           {"network_type", fs_network_type},
                                           {"type_of", fs_type_of},
                                           {NULL, NULL}};

void lpb_fs_watch_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", watch_wait},
                                     {"close", watch_close},
                                     {"__close", watch_close},
                                     {"__gc", watch_gc},
                                     {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
