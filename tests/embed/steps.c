/* A host whose steps are as short as can be, while its scripts make many requests at once: each
 * is answered, whichever step has begun it, and those that are given up before leave nothing.
 */
#include <luapool.h>

#include "check.h"

static const char server[] =
    "local socket, task = require 'socket', require 'luapool.task'\n"
    "local at = assert(socket.bind('127.0.0.1', 0, 128))\n"
    "local _, port = at:getsockname()\n"
    "url = 'http://127.0.0.1:' .. port .. '/'\n"
    "local function answer(c)\n"
    "  while true do\n"
    "    local line = c:receive '*l'\n"
    "    if not line then return c:close() end\n"
    "    local path\n"
    "    while line ~= '' do path, line = path or line:match '^GET /(%S*)', c:receive '*l' "
    "end\n"
    "    c:send('HTTP/1.1 200 OK\\r\\nContent-Length: ' .. #path .. '\\r\\n\\r\\n' .. path)\n"
    "  end\n"
    "end\n"
    "while true do task.spawn(answer, assert(at:accept())) end\n";

/* Three rounds, so that connections are used again. */
static const char asks[] =
    "local http, task = require 'luapool.http', require 'luapool.task'\n"
    "local client <close> = http.client { limit_per_host = 50 }\n"
    "local right = 0\n"
    "for round = 1, 3 do\n"
    "  local all = {}\n"
    "  for i = 1, 100 do\n"
    "    all[i] = task.spawn(function() return client:get(url .. i).body end)\n"
    "  end\n"
    "  for i = 1, 100 do right = right + (all[i]:await() == tostring(i) and 1 or 0) end\n"
    "end\n"
    "return right\n";

/* Some are cancelled before they have begun, some while they wait; the last ones are left. */
static const char gives_up[] =
    "local http, task = require 'luapool.http', require 'luapool.task'\n"
    "local client = http.client {}\n"
    "local all, ended = {}, 0\n"
    "for i = 1, 100 do all[i] = task.spawn(client.get, client, url .. i) end\n"
    "for turn = 0, 9 do\n"
    "  for i = 1, 10 do all[10 * turn + i]:cancel() end\n"
    "  task.yield()\n"
    "end\n"
    "for i = 1, 100 do all[i]:result() ended = ended + 1 end\n"
    "for i = 1, 100 do task.spawn(client.get, client, url .. i) end\n"
    "return ended\n";

static luapool_task *load(luapool *rt, const char *source) {
  luapool_task *task = NULL;
  CHECK_INT(LUAPOOL_OK,
            luapool_load(rt, NULL, source, strlen(source), "=steps", NULL, 0, &task));
  return task;
}

/* Steps without a budget do one turn each. */
static int step(luapool *rt, luapool_task *task) {
  luapool_value value = {0};
  int rc = LUAPOOL_OK;
  while (rc >= 0 && luapool_task_status(task) == LUAPOOL_MORE) rc = luapool_step(rt, 0);
  CHECK(rc >= 0);
  CHECK_TEXT("", luapool_task_error(task) ? luapool_task_error(task) : "");
  luapool_task_result(task, 0, &value);
  luapool_task_release(task);
  return (int)value.as.integer;
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return check_done();
  luapool_task_release(load(rt, server));
  CHECK_INT(300, step(rt, load(rt, asks)));
  CHECK_INT(100, step(rt, load(rt, gives_up)));
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  return check_done();
}
