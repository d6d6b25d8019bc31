-- luapool.task: concurrency in one process. The mechanism (tasks, waiting) is in
-- bindings/task.c; here is the policy of what belongs together: who is cancelled, who waits for
-- whom.

local core = require "luapool.task.core"
local err = require "luapool.error"
local options = require "luapool.options"

local M = {
  spawn = core.spawn,
  promise = core.promise,
  current = core.current,
  now = core.now,
  sleep = core.sleep,
  yield = core.yield,
  shield = core.shield,
}

local Task = core.methods

--- Calls fn(task) in a task of its own when the task has ended; at once when it has already.
---@param fn fun(task: table)
function Task:on_done(fn)
  local follower = core.spawn(function()
    core.wait({ self }, "all_completed")
    fn(self)
  end)
  follower:name "on_done"
end

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
  cancel_all(tasks, "its caller was cancelled")
  error(result, 0)
end

local function first_failed(tasks)
  for i = 1, #tasks do
    if tasks[i]:status() == "failed" then return tasks[i] end
  end
  for i = 1, #tasks do
    if tasks[i]:status() == "cancelled" then return tasks[i] end
  end
  return nil
end

-- A list of tasks out of a list of tasks and functions.
local function to_tasks(list, where)
  if type(list) ~= "table" then
    error(("bad argument #1 to '%s' (a list expected, got %s)"):format(where, type(list)), 3)
  end
  for i = 1, #list do
    local kind = type(list[i])
    if kind ~= "function" and not (kind == "userdata" and list[i].await) then
      error(("bad item %d of the list (a task or a function expected, got %s)"):format(i, kind), 3)
    end
  end
  local tasks = {}
  for i = 1, #list do
    tasks[i] = type(list[i]) == "function" and core.spawn(list[i]) or list[i]
  end
  return tasks
end

local function collect_all(tasks)
  local results, errors, n = { n = #tasks }, {}, #tasks
  wait_or_cancel(tasks, "all_completed")
  for i = 1, n do
    local ok, value = tasks[i]:result()
    if ok then results[i] = value else errors[i] = value end
  end
  return results, errors
end

local function collect(tasks)
  wait_or_cancel(tasks, "first_error")
  local failed = first_failed(tasks)
  if failed then
    cancel_all(tasks, "another task of the group failed")
    failed:await()
  end
  local results = { n = #tasks }
  for i = 1, #tasks do
    results[i] = tasks[i]:await()
  end
  return results
end

--- Runs tasks and functions together; returns the first value of each, in order, with `n`. On
--- the first error the rest is cancelled and it is raised. With `return_errors` it never raises
--- theirs: results, errors.
---@param list table tasks or functions
---@param opts? { return_errors: boolean? }
---@return table results, table? errors
function M.gather(list, opts)
  local all = options.check("task.gather", opts, { return_errors = "boolean" }).return_errors
  local tasks = to_tasks(list, "gather")
  if all then return collect_all(tasks) end
  return collect(tasks)
end

--- Runs functions together and returns the first value of each.
---@param ... function
---@return any ...
function M.all(...)
  local results = collect(to_tasks({ ... }, "all"))
  return table.unpack(results, 1, results.n)
end

--- Runs fn(...) for at most `seconds`; then it is cancelled and kind `timeout` is raised.
---@param seconds number
---@param fn function
---@return any ...
function M.timeout(seconds, fn, ...)
  if type(seconds) ~= "number" or seconds < 0 then
    error("bad argument #1 to 'timeout' (seconds expected, not negative)", 2)
  end
  local task = core.spawn(fn, ...)
  if not wait_or_cancel({ task }, "all_completed", seconds) then
    cancel_all({ task }, "timeout")
    local e = err.new("timeout", ("timed out after %g s"):format(seconds), { seconds = seconds })
    error(e, 0)
  end
  return task:await()
end

local Group = { __name = "luapool.Group" }
Group.__index = Group

-- The first error of a group cancels the others.
local function watch_group(group, task)
  task:on_done(function()
    if task:status() == "failed" and not group.failed then
      group.failed = task
      for other in pairs(group.tasks) do
        if other ~= task then other:cancel "another task of the group failed" end
      end
    end
    group.tasks[task] = nil
  end)
end

--- Adds a task to the group.
---@return table task
function Group:spawn(fn, ...)
  local task = core.spawn(fn, ...)
  core.mark_awaited(task)
  self.tasks[task] = true
  watch_group(self, task)
  return task
end

local function members(group)
  local list = {}
  for task in pairs(group.tasks) do
    list[#list + 1] = task
  end
  return list
end

local function leave(group, cause)
  if cause ~= nil then
    cancel_all(members(group), "its group was left by an error")
    return
  end
  while next(group.tasks) do
    wait_or_cancel(members(group), "first_error")
    core.shield(core.yield) -- its watcher notes what has ended
  end
  if group.failed then group.failed:await() end
end

Group.__close = leave

--- A group of tasks: `local g <close> = task.group()`. Leaving the scope waits for all; the
--- first error cancels the rest and is raised.
---@return table group
function M.group() return setmetatable({ tasks = {}, failed = nil }, Group) end

local WAIT = {
  return_when = { "all_completed", "first_completed", "first_error" },
  timeout = "seconds",
}

--- Waits for tasks; returns those that have ended and those that have not.
---@param tasks table
---@param opts? { return_when: string?, timeout: number? }
---@return table done, table pending
function M.wait(tasks, opts)
  opts = options.check("task.wait", opts, WAIT)
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

return M
