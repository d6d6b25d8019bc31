-- luapool.task: concurrency in one process. The mechanism (tasks, waiting) is in
-- bindings/task/task.c; here is the policy of what belongs together: who is cancelled, who
-- waits for whom.
--@whole

local core = require "luapool.task.core"
local err = require "luapool.error"
local options = require "luapool.internal.options"
local periodic = require "luapool.internal.periodic"
local task_map = require "luapool.internal.task_map"

local M = {
  spawn = core.spawn,
  promise = core.promise,
  current = core.current,
  now = core.now,
  sleep = core.sleep,
  yield = core.yield,
  shield = core.shield,
  locals = core.locals,
}

-- Cancels every task of the list and returns when all have ended, whatever happens to the caller.
local function cancel_all(tasks, reason)
  for i = 1, #tasks do
    core.mark_awaited(tasks[i])
    tasks[i]:cancel(reason)
  end
  core.shield(core.wait, tasks, "all_completed")
end

-- Waits as core.wait does; if the caller is cancelled meanwhile, so are the tasks.
local function wait_or_cancel(tasks, mode, timeout)
  local ok, result = pcall(core.wait, tasks, mode, timeout)
  if ok then return result end
  pcall(cancel_all, tasks, "its caller was cancelled") -- fails where nobody may wait, too
  error(result, 0)
end

-- Raises at the user's line unless the first n items of `list` may be waited for.
local function check_items(list, n, functions)
  local i = core.bad_item(list, n, functions)
  if not i then return end
  if list[i] == core.current() then
    err.wrong("item %d of the list: a task cannot wait for itself", i)
  end
  local what = functions and "a task or a function" or "a task"
  err.wrong("bad item %d of the list (%s expected, got %s)", i, what, err.type(list[i]))
end

local function check_list(where, list)
  if type(list) == "table" then return end
  err.wrong("bad argument #1 to '%s' (a list expected, got %s)", where, err.type(list))
end

-- A list has no fields but the `n` of table.pack: what is written into it would be ignored.
local function check_fields(where, list)
  for key in pairs(list) do
    if type(key) == "string" and key ~= "n" then
      err.wrong("bad argument #1 to '%s' (a list expected, but it has a field '%s'%s)", where, key,
        key == "return_errors" and ": options come in a table behind it" or "")
    end
  end
end

local function check_tasks(where, list)
  check_list(where, list)
  check_items(list, #list, false)
end

local function check_seconds(where, seconds)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
    err.wrong("bad argument #1 to '%s' (seconds expected, not negative)", where)
  end
end

local function check_function(where, n, fn)
  if type(fn) == "function" then return end
  err.wrong("bad argument #%d to '%s' (function expected, got %s)", n, where, err.type(fn))
end

-- A list of tasks out of a list of n tasks and functions.
local function to_tasks(list, n)
  check_items(list, n, true)
  return core.tasks(list, n)
end

local function collect_all(tasks)
  wait_or_cancel(tasks, "all_completed")
  return core.results(tasks)
end

local function collect(tasks)
  wait_or_cancel(tasks, "first_error")
  local failed = core.first_failed(tasks)
  if failed then
    cancel_all(tasks, "another task of the group failed")
    failed:await()
  end
  return (core.results(tasks))
end

--- Runs tasks and functions together; returns the first value of each, in order, with `n`. On
--- the first error the rest is cancelled and it is raised. With `return_errors` it never raises
--- theirs: results, errors.
---@param list table tasks or functions
---@param opts? { return_errors: boolean? }
---@return table results, table? errors
function M.gather(list, opts)
  local all = options.check("task.gather", opts, { return_errors = "boolean" }).return_errors
  check_list("gather", list)
  check_fields("gather", list)
  local tasks = to_tasks(list, #list)
  if all then return collect_all(tasks) end
  return collect(tasks)
end

--- Runs functions together and returns the first value of each.
---@param ... function
---@return any ...
function M.all(...)
  local results = collect(to_tasks({ ... }, select("#", ...)))
  return table.unpack(results, 1, results.n)
end

--- Runs fn(...) for at most `seconds`; then it is cancelled and kind `timeout` is raised.
---@param seconds number
---@param fn function
---@return any ...
function M.timeout(seconds, fn, ...)
  check_seconds("timeout", seconds)
  check_function("timeout", 2, fn)
  local task = core.spawn(fn, ...)
  if not wait_or_cancel({ task }, "all_completed", seconds) then
    cancel_all({ task }, "timeout")
    err.raise("timeout", ("timed out after %g s"):format(seconds), { seconds = seconds })
  end
  return task:await()
end

---@class luapool.Group
local Group = { __name = "luapool.Group" }
Group.__index = Group

-- Those that others of them spawn on their way out, too.
local function cancel_members(group, reason)
  group.cancelled = reason
  for _, member in ipairs(group.set:tasks()) do
    member:cancel(reason)
  end
end

-- The first error cancels the others. Those that follow from it are not reported.
local function note_failed(group, member)
  if group.failed then return core.mark_awaited(member) end
  group.failed = member
  cancel_members(group, "another task of the group failed")
end

-- The task that takes out who has ended, as long as there are members.
local function watch(group)
  while true do
    local member = group.set:next()
    if not member then break end
    if member:status() == "failed" then note_failed(group, member) end
  end
  group.watcher = nil
end

--- Adds a task to the group.
---@param fn function
---@return table task
function Group:spawn(fn, ...)
  err.check_self(self, Group, "spawn")
  check_function("spawn", 1, fn)
  if self.left then err.wrong "the group has been left" end
  local member = core.spawn(fn, ...)
  self.set:add(member)
  if self.cancelled then member:cancel(self.cancelled) end
  if not self.watcher then
    self.watcher = core.spawn(watch, self)
    self.watcher:name "group"
  end
  return member
end

-- Waits for all members, also those that others of them spawn meanwhile.
local function join(group)
  while group.watcher do
    local watcher = group.watcher
    core.wait({ watcher }, "all_completed")
    if group.watcher == watcher then group.watcher = nil end -- it was cancelled
  end
end

local function leave(group, cause)
  if group.left then return end
  local why, ok, e = "its group was left by an error", false, cause
  if cause == nil then
    why = "its caller was cancelled"
    ok, e = pcall(join, group)
  end
  if not ok then
    cancel_members(group, why)
    pcall(core.shield, join, group) -- fails where nobody may wait, as `join` has
  end
  group.left = true
  if cause ~= nil then return end
  if not ok then error(e, 0) end
  if group.failed then group.failed:await() end
end

Group.__close = leave

--- Waits for all, as leaving the scope of `<close>` does; the first error is raised.
function Group:close()
  err.check_self(self, Group, "close")
  leave(self)
end

--- A group of tasks: `local g <close> = task.group()`. Leaving the scope waits for all; the
--- first error cancels the rest and is raised.
---@return luapool.Group
function M.group() return setmetatable({ set = core.set(false) }, Group) end

local WAIT = {
  return_when = { "all_completed", "first_completed", "first_error" },
  timeout = "seconds",
}

--- Waits for tasks; returns those that have ended and those that have not. Leaves them running.
---@param tasks table
---@param opts? { return_when: string?, timeout: number? } return_when: "all_completed",
--- "first_completed" or "first_error"
---@return table done, table pending
function M.wait(tasks, opts)
  opts = options.check("task.wait", opts, WAIT)
  check_tasks("wait", tasks)
  core.wait(tasks, opts.return_when or "all_completed", opts.timeout)
  local done, pending = {}, {}
  for i = 1, #tasks do
    local status = tasks[i]:status()
    local ended = status ~= "pending" and status ~= "running"
    local list = ended and done or pending
    list[#list + 1] = tasks[i]
  end
  return done, pending
end

--- An iterator of tasks in the order in which they end. After `timeout` seconds from now it raises
--- kind `timeout`; the tasks are left running.
---@param tasks table
---@param opts? { timeout: number? }
---@return fun(): table?
function M.as_completed(tasks, opts)
  local timeout = options.check("task.as_completed", opts, { timeout = "seconds" }).timeout
  check_tasks("as_completed", tasks)
  local set, due = core.set(false), timeout and core.now() + timeout
  for i = 1, #tasks do set:add(tasks[i]) end
  return function()
    return (set:next(due and math.max(0, due - core.now())))
  end
end

--- Runs fn over items in tasks of this process: `for i, result in task.map(items, fn) do`. It is
--- used as pool:map; `concurrency` (100) is how many run at once, `on_error(err, item)` is called
--- besides raising.
---@param items table|function a list, or a function that returns the next item, nil at the end
---@param fn function
---@param opts? table concurrency, ordered, return_errors, on_error
---@return luapool.Map
function M.map(items, fn, opts) return task_map(items, fn, opts) end

--- Calls fn every so many seconds, never twice at once, until `:stop()`; the first time after
--- `seconds`, or with `immediate` soon. Times are multiples of `seconds` from now, however long fn
--- takes; those that it overruns are left out. An error of fn goes to `on_error`; without that it
--- ends the calls and is reported.
---@param seconds number
---@param fn function
---@param opts? { immediate: boolean?, on_error: function? }
---@return luapool.Periodic
function M.every(seconds, fn, opts)
  opts = options.check("task.every", opts, { immediate = "boolean", on_error = "callable" })
  if type(seconds) ~= "number" or seconds <= 0 or seconds ~= seconds then
    err.wrong "bad argument #1 to 'every' (seconds expected, above 0)"
  end
  check_function("every", 2, fn)
  return periodic(seconds, fn, opts)
end

--- Makes one callable out of the three values of an iterator, for a map: `task.iter(pairs(t))`.
--- Each call gives the values of the next step; a map hands them all to its function.
---@param step function
---@return fun(): any ...
function M.iter(step, state, control)
  if not options.callable(step) then
    local text = "bad argument #1 to 'iter' (an iterator expected, as of pairs, got %s)"
    err.wrong(text, err.type(step))
  end
  local function advance(first, ...)
    control = first
    return first, ...
  end
  return function() return advance(step(state, control)) end
end

return M
