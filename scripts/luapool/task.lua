-- luapool.task: concurrency in one process. The mechanism (tasks, waiting) is in
-- bindings/task/task.c; here is the policy of what belongs together: who is cancelled, who
-- waits for whom.
--@whole

local core = require "luapool.task.core"
local err = require "luapool.error"
local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local periodic = require "luapool.internal.periodic"
local task_map = require "luapool.internal.task_map"
local usage = require "luapool.internal.usage"

--- Concurrency in one process. A task is a function that runs beside others and gives way to
--- them whenever it waits; nothing else interrupts it, except that a task which computes for more
--- than 10 ms (`--slice`) lets the others run too. The script itself runs as the main task: when
--- it returns, the other tasks are cancelled.
---
--- Cancelling a task raises kind `cancelled` inside it, at its wait, so `<close>` variables run.
--- Once cancelled, every later wait raises again, except in `task.shield` and in `<close>`
--- handlers that run because of it. A task that computes and does not wait gets the error, once,
--- at the end of its time slice; one that catches it and goes on for a hundred slices more is
--- closed. `gather`, `all`, `timeout`, `group` and `map` cancel what they
--- wait for when their caller is cancelled, and return when that has ended; `await`, `wait` and
--- `as_completed` leave it running.
---
--- Waiting works in pcall, in iterators, in metamethods that Lua code calls, and inside coroutines
--- that a script makes. It raises an error in `table.sort` and `string.gsub` callbacks, in
--- `__tostring` and `__gc`, and in `load` readers.
---
--- ```lua
--- local a, b = task.all(
---   function() task.sleep(0.01) return "slow" end,
---   function() return "quick" end)
--- print(a, b) --> slow quick
--- ```
---@kind timeout a wait, or what `task.timeout` runs, took longer than allowed; field `seconds`
--- where `task.timeout` raises it
---@kind cancelled the task was cancelled (field `reason`): by `Task:cancel`, by what it
--- belonged to, or at the end of the script
---@kind budget the host allows no more CPU or tasks: field `limit` (`task_us`, `block_us`,
--- `tasks`); also a finalizer, a `<close>` handler of a closed task or a `__tostring` of an error
--- that nobody caught took more than 100 ms of CPU
---@kind cannot_wait the task cannot wait here: inside a C function that cannot be suspended,
--- such as `string.gsub` with a callback
---@class luapool.task
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
local function check_items(where, list, n, functions)
  local i = core.bad_item(list, n, functions)
  if not i then return end
  if list[i] == core.current() then
    usage.raise(where, "item %d of the list: a task cannot wait for itself", i)
  end
  local what, got = functions and "a task or a function" or "a task", usage.describe(list[i])
  usage.raise(where, "bad item %d of the list (%s expected, got %s)", i, what, got)
end

local function check_list(where, list)
  if type(list) ~= "table" then usage.expected(where, 1, "a list", list) end
end

-- A list has no fields but the `n` of table.pack: what is written into it would be ignored.
local function check_fields(where, list)
  for key in pairs(list) do
    if type(key) == "string" and key ~= "n" then
      usage.raise(where, "a list expected, but it has a field '%s'%s", key,
        key == "return_errors" and ": options come in a table behind it" or "")
    end
  end
end

local function check_tasks(where, list)
  check_list(where, list)
  check_items(where, list, #list, false)
end

-- A list of tasks out of a list of n tasks and functions.
local function to_tasks(where, list, n)
  check_items(where, list, n, true)
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

local check_gather = options.define("task.gather", { return_errors = "boolean" })

---@class luapool.task.GatherOptions
---@field return_errors? boolean raise no error of theirs, return a second table with the errors

--- Runs tasks and functions together and waits for all. Returns a list of the first value of each,
--- in the order given, with the number in `n`. The first error cancels the others and is raised;
--- with `return_errors` all run to their end, and the second result holds each error at the place
--- of its task.
---
--- ```lua
--- local squares = {}
--- for i = 1, 3 do
---   squares[i] = function() task.sleep(0.01) return i * i end
--- end
--- print(table.concat(task.gather(squares), " ")) --> 1 4 9
--- local function fail() error("no luck", 0) end
--- local results, errors = task.gather({ squares[1], fail }, { return_errors = true })
--- print(results[1], errors[2]) --> 1 no luck
--- ```
---@async
---@param list (luapool.Task|function)[] what is run together
---@param opts? luapool.task.GatherOptions
---@return any[] results
---@return table? errors with `return_errors`: place -> error
function M.gather(list, opts)
  local all = check_gather(opts).return_errors
  check_list("task.gather", list)
  check_fields("task.gather", list)
  local tasks = to_tasks("task.gather", list, #list)
  if all then return collect_all(tasks) end
  return collect(tasks)
end

--- Runs functions together, waits for all and returns the first value of each. The first error
--- cancels the others and is raised.
---
--- ```lua
--- print(task.all(function() return 1 end, function() return 2 end)) --> 1 2
--- ```
---@async
---@param ... function
---@return any ...
function M.all(...)
  local results = collect(to_tasks("task.all", { ... }, select("#", ...)))
  return table.unpack(results, 1, results.n)
end

--- Runs fn(...) in a task of its own and returns its results. When it has not ended after `seconds`
--- it is cancelled; `timeout` raises once it has ended, after its `<close>` handlers.
---
--- ```lua
--- local ok, e = pcall(task.timeout, 0.01, task.sleep, 60)
--- print(ok, e.kind, e.seconds) --> false timeout 0.01
--- ```
---@async
---@param seconds number
---@param fn function
---@param ... any its arguments
---@return any ... what fn returns
---@raises timeout fn was late; field `seconds`
function M.timeout(seconds, fn, ...)
  usage.argument("task.timeout", 1, seconds, "seconds")
  usage.argument("task.timeout", 2, fn, "callable")
  local task = core.spawn(fn, ...)
  if not wait_or_cancel({ task }, "all_completed", seconds) then
    cancel_all({ task }, "timeout")
    err.raise("timeout", ("timed out after %g s"):format(seconds), { seconds = seconds })
  end
  return task:await()
end

--- Tasks that belong to a scope: see `task.group`.
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

--- Spawns fn(...) as a task of the group. Members may spawn further ones.
---
--- ```lua
--- local sum = 0
--- do
---   local group <close> = task.group()
---   for i = 1, 3 do group:spawn(function(n) sum = sum + n end, i) end
--- end
--- print(sum) --> 6
--- ```
---@param fn function
---@param ... any its arguments
---@return luapool.Task
function Group:spawn(fn, ...)
  usage.self(self, Group, "Group:spawn")
  usage.argument("Group:spawn", 1, fn, "callable")
  if self.left then usage.raise("Group:spawn", "the group has been left") end
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

--- Waits for all members, as leaving the scope of `<close>` does, and raises the first error.
---
--- ```lua
--- local group = task.group()
--- local member = group:spawn(task.sleep, 0.01)
--- group:close()
--- print(member:status()) --> done
--- ```
---@async
function Group:close()
  usage.self(self, Group, "Group:close")
  leave(self)
end

--- Makes a group of tasks, to be held in a `<close>` variable. Leaving its scope waits for all
--- members; the first error of a member cancels the others and is raised there. Leaving the
--- scope by an error cancels all.
---
--- ```lua
--- local ok, e = pcall(function()
---   local group <close> = task.group()
---   group:spawn(task.sleep, 60) -- is cancelled
---   group:spawn(error, "no luck", 0)
--- end)
--- print(ok, e) --> false no luck
--- ```
---@return luapool.Group
function M.group() return setmetatable({ set = core.set(false) }, Group) end

---@class luapool.task.WaitOptions
---@field return_when? "all_completed"|"first_completed"|"first_error" when it returns; default
--- "all_completed"
---@field timeout? number seconds after which it returns whatever has ended

local check_wait = options.define("task.wait", {
  return_when = { "all_completed", "first_completed", "first_error" },
  timeout = "seconds",
})

--- Waits for tasks; returns those that have ended and those that have not. It leaves them running
--- and raises none of their errors; a timeout is no error either.
---
--- ```lua
--- local quick, slow = task.spawn(task.sleep, 0), task.spawn(task.sleep, 60)
--- local done, pending = task.wait({ quick, slow }, { return_when = "first_completed" })
--- assert(done[1] == quick and pending[1] == slow)
--- print(#task.wait({ slow }, { timeout = 0.01 })) --> 0
--- slow:cancel()
--- ```
---@async
---@param tasks luapool.Task[]
---@param opts? luapool.task.WaitOptions
---@return luapool.Task[] done
---@return luapool.Task[] pending
function M.wait(tasks, opts)
  opts = check_wait(opts)
  check_tasks("task.wait", tasks)
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

local check_as_completed = options.define("task.as_completed", { timeout = "seconds" })

---@class luapool.task.CompletedOptions
---@field timeout? number seconds from the call on, after which the iterator raises

--- Returns an iterator over tasks in the order in which they end. The loop body gets the task, so
--- that an error is the body's to handle.
---
--- ```lua
--- local tasks = {}
--- for i, seconds in ipairs { 0.02, 0 } do
---   tasks[i] = task.spawn(function() task.sleep(seconds) return i end)
--- end
--- for one in task.as_completed(tasks, { timeout = 30 }) do print(one:await()) end
--- --> 2
--- --> 1
--- ```
---@async
---@param tasks luapool.Task[]
---@param opts? luapool.task.CompletedOptions
---@return fun(): luapool.Task? iterator
---@raises timeout from the iterator; the tasks go on
function M.as_completed(tasks, opts)
  local timeout = check_as_completed(opts).timeout
  check_tasks("task.as_completed", tasks)
  local set, due = core.set(false), timeout and core.now() + timeout
  for i = 1, #tasks do set:add(tasks[i]) end
  return function()
    return (set:next(due and math.max(0, due - core.now())))
  end
end

---@class luapool.task.MapOptions
---@field concurrency? integer how many items are worked on at once; default 100
---@field ordered? boolean results in the order of the items; default true
---@field return_errors? boolean the loop gets errors: `for i, result, err, item in …`
---@field on_error? fun(err: any, item: any) is called for each error, besides raising it

--- Runs fn over items, in tasks of this process; used as `pool:map` is, over processes. In
--- `for i, result in task.map(fn, items) do`, `i` is the place of the item in the input and
--- `result` the first value of fn. Items are pulled only as fast as they are worked on. The
--- first error cancels the rest and is raised; leaving the loop early cancels the rest too.
---
--- The items may stand before the function, too. Of two functions the one with parameters works
--- on items and the other gives them; where that tells nothing, `task.iter(items)` does.
---
--- ```lua
--- local function work(n)
---   if n == 2 then error("two", 0) end
---   return n * n
--- end
--- local opts = { concurrency = 10, ordered = true, return_errors = true, on_error = print }
--- for i, result, err, item in task.map(work, { 1, 2, 3 }, opts) do
---   print(i, result, err, item)
--- end
--- --> 1 1 nil 1
--- --> two 2
--- --> 2 nil two 2
--- --> 3 9 nil 3
--- ```
---@param fn function gets the item
---@param items table|function a list, or a function that returns the next item and nil at the end
---@param opts? luapool.task.MapOptions
---@return luapool.Map
function M.map(fn, items, opts) return task_map(fn, items, opts) end

local check_every = options.define("task.every", { immediate = "boolean", on_error = "callable" })

---@class luapool.task.EveryOptions
---@field immediate? boolean the first call comes soon and not after `seconds`
---@field on_error? fun(err: any) gets an error of fn, and the calls go on; without it an error ends
--- the calls and is reported

--- Calls fn every so many seconds, never twice at once, until it is stopped. The calls come at
--- multiples of `seconds` from now, however long fn takes; those that it overruns are left out.
---
--- ```lua
--- local ticks, three = 0, sync.event()
--- local opts = { immediate = true, on_error = print }
--- local periodic <close> = task.every(0.01, function()
---   ticks = ticks + 1
---   if ticks == 3 then three:set() end
--- end, opts)
--- three:wait()
--- assert(ticks >= 3)
--- ```
---@param seconds number above 0
---@param fn function
---@param opts? luapool.task.EveryOptions
---@return luapool.Periodic
function M.every(seconds, fn, opts)
  opts = check_every(opts)
  usage.argument("task.every", 1, seconds, "period")
  usage.argument("task.every", 2, fn, "callable")
  return periodic(seconds, fn, opts)
end

--- Makes one callable out of the three values of an iterator, so that a map can take it as its
--- items. Each call gives the values of the next step; a map hands all of them to its function.
---
--- ```lua
--- local items = task.iter(pairs { answer = 42 })
--- for _, text in task.map(items, function(k, v) return k .. "=" .. v end) do print(text) end
--- --> answer=42
--- ```
---@param step function as `pairs`, `ipairs` and their like return it
---@param state? any
---@param control? any
---@return fun(): any ...
function M.iter(step, state, control)
  if not usage.callable(step) then
    usage.expected("task.iter", 1, "an iterator, as of pairs,", step)
  end
  local function advance(first, ...)
    control = first
    return first, ...
  end
  return lists.mark(function() return advance(step(state, control)) end)
end

return M
