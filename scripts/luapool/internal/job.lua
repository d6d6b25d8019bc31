-- internal.job: drives a job file: pulls its items, has them fetched and processed by workers,
-- writes results and failures, sums up. One unordered map over one iterator that waits while
-- items are in flight; what the workers do stands in luapool.job.worker. Main only; cli.run
-- calls it.

local core = require "luapool.core"
local carry = require("luapool.internal.job.worker").carry
local errors = require "luapool.error"
local line_of_user = require("luapool.error.core").where
local failures = require "luapool.internal.job.failed"
local output = require "luapool.internal.job.output"
local pool = require "luapool.pool"
local progress = require "luapool.progress"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local source = require "luapool.internal.job.source"
local spec = require "luapool.internal.job.spec"
local summary = require "luapool.internal.job.summary"
local task = require "luapool.task"

-- How long running tasks may go on after the first Ctrl-C, then `done`, and what is cancelled.
local GRACE = core.grace.stop

local M = {}

---@class luapool.job
local Job = { __name = "luapool.job" }
Job.__index = Job

local Ctx = { __name = "luapool.job.ctx" }
Ctx.__index = Ctx

--- In main: adds an item, of the start kind unless said; false when it was seen before.
function Ctx:add(item, kind) return self.source:add(item, kind) end

-- A field that the job's functions in main set stays there.
function Ctx:__newindex(key, value)
  rawset(self, key, value)
  require("luapool.log").warn("%sctx.%s is set in main: fetch and process run in workers, which do "
    .. "not see it; what they need is set in 'init'", line_of_user(), tostring(key))
end

-- What the workers need, and no more: nothing else has to travel.
local function plan_of(self)
  local kinds = {}
  for name, kind in pairs(self.spec.kinds) do
    kinds[name] = { fetch = kind.fetch, process = kind.process, retry = kind.retry }
  end
  return {
    kinds = kinds,
    init = self.spec.init,
    config = self.ctx.config,
    args = self.ctx.args,
    encode = not self.spec.on_result,
  }
end

local function new_pool(s)
  return pool.new {
    processes = settings.processes or s.processes,
    concurrency = settings.concurrency or s.concurrency,
    memory_limit = settings.memory_limit or s.memory_limit,
    max_tasks = settings.max_tasks or s.max_tasks,
    task_timeout = s.task_timeout,
    crash_retries = s.crash_retries,
  }
end

-- Counts an item that has ended and moves the bar.
local function count(self, entry, how)
  self.summary:count(entry.kind, how)
  if self.spec.kinds[entry.kind].counted then self.bar:update(1) end
end

local function failed(self, entry, e, attempts)
  count(self, entry, "failure")
  self.failed:add(entry.item, self.spec.named and entry.kind, e, attempts)
  if self.spec.on_error then self.spec.on_error(e, entry.item) end
end

local function succeeded(self, entry, reply)
  for _, added in ipairs(reply.added or {}) do self.ctx:add(added[1], added[2]) end
  if reply.value ~= nil then
    if self.spec.on_result then
      self.spec.on_result(reply.value, entry.item)
    else
      self.output:write(reply.value)
    end
  end
  count(self, entry, "success")
end

-- One reply of a worker, or the pool's error in place of it.
local function settle(self, entry, reply, e)
  if self.halted and errors.is(e, "cancelled") then return end
  if not reply then
    local runs = errors.is(e, "worker_died") and e.attempts or 1
    failed(self, entry, e, (entry.attempts or 0) + runs)
  elseif reply.fatal then
    self.trace = reply.traceback
    error(reply.error, 0)
  elseif reply.again then
    entry.attempts = reply.attempts
    entry.elapsed = reply.elapsed + reply.again
    entry.waited = (reply.waited or 0) + reply.again
    return self.source:again(entry, reply.again)
  elseif reply.failed then
    failed(self, entry, reply.error, reply.attempts)
  else
    succeeded(self, entry, reply)
  end
  self.source:settle()
end

-- The bar knows its end when the size of the input is known; additions move it.
local function show_total(self)
  local total = 0
  for name, kind in pairs(self.spec.kinds) do
    local known = kind.counted and self.source:known(name) or not kind.counted and 0
    total = total and known and total + known
  end
  self.bar:set_total(total or nil)
end

local function consume(self)
  local workers <close> = new_pool(self.spec)
  self.workers = workers
  self.source = source.open(self.spec, self.ctx)
  local function next_entry()
    local entry = self.source:next()
    show_total(self)
    return entry
  end
  local options = { ordered = false, return_errors = true }
  for _, reply, e, entry in workers:map(carry(plan_of(self)), next_entry, options) do
    settle(self, entry, reply, e)
  end
end

-- Ends the output and the list of failed items. `whole`: the job has run to its end. Returns a
-- message when what was written has not got its name.
local function close(self, whole)
  if self.closed then return nil end
  self.closed = true
  if self.source then self.source:close() end
  self.bar:close()
  self.failed:close(whole)
  local ok, message = self.output:close(whole)
  return not ok and message or nil
end

-- Stops what runs, also tasks that never wait; a hook in main that never does ends the process.
local function halt(self, what)
  local last = self.last
  self.halted = true
  if self.workers then self.workers:terminate() end
  self.consumer:cancel(what)
  if last then last:cancel(what) end
  task.sleep(GRACE)
  if self.last ~= last then return end
  close(self, false)
  self.options.exit(self.status)
end

-- The same in a while, unless `done` begins meanwhile: it has a while of its own.
local function halt_later(self, what)
  local last = self.last
  task.spawn(function()
    task.sleep(GRACE)
    if self.last == last then halt(self, what) end
  end):name "grace"
end

--- Stops the job: the first time it pulls no more items and lets running ones finish, for a while;
--- then at once.
---@param status integer the exit status of the run
---@param what string "interrupted", …
function Job:stop(status, what)
  local again = self.status ~= nil
  self.status, self.stopped = self.status or status, self.stopped or what
  if again or not self.source then return halt(self, what) end
  self.source:stop()
  local who = self.last and "'done' has" or "running items have"
  screen.print(("luapool: %s: %s %d s to finish\n"):format(what, who, GRACE))
  halt_later(self, what)
end

-- The error that a task of the job has ended by, if it did: being stopped is none.
local function fault(self, ok, e)
  if ok or self.stopped and errors.is(e, "cancelled") then return false end
  return true, e
end

-- Works on the items. Returns whether an error has ended that, and which: of a hook, of the pool,
-- of the iterator.
local function work(self)
  self.consumer = task.spawn(consume, self)
  local ok, e = self.consumer:result()
  local puller = self.source and self.source.puller
  if ok and puller and puller:status() == "failed" then ok, e = puller:result() end
  return fault(self, ok, e)
end

-- Sums up; the summary is the last line on stderr.
local function finish(self)
  local s = self.summary
  s:finish(self.source and self.source.totals or {}, task.now() - self.began, self.stopped)
  local wrong, e = false, nil
  if self.spec.done then
    self.last = task.spawn(self.spec.done, s, self.ctx)
    if self.stopped then halt_later(self, self.stopped) end
    wrong, e = fault(self, self.last:result())
  end
  if wrong then self.options.report(e) end
  local where = self.failed:where()
  if where then io.stderr:write("luapool: ", where, "\n") end
  io.stderr:write(s:line(), "\n")
  return not wrong
end

--- Runs the job to its end. Returns the exit status.
---@return integer
function Job:run()
  self.began = task.now()
  local wrong, e = work(self)
  local lost = close(self, not wrong and not self.stopped)
  if wrong then self.options.report(e, self.trace) end
  if lost then self.options.report(lost) end
  local done = finish(self)
  if wrong or lost or not done then return 1 end
  return self.status or (self.summary:any_failed() and 3 or 0)
end

-- "titles" for jobs/titles.lua: names what has no output to be named after.
local function base_name(path) return path:match("([^/]*)$"):gsub("%.lua$", "") end

--- Opens a job: checks its table, reads its settings, opens its output. When something is
--- wrong: nil, one line, the exit status.
---@param job any what the job file returned
---@param opts { path: string, args: string[], output: string?, append: boolean?, config: function,
---  print: function, report: function, exit: function } print writes lines to stdout, report an
---  error to stderr; exit ends the process with a status
---@return luapool.job|nil
---@return string? message
---@return integer? status
function M.open(job, opts)
  local checked, problem = spec.check(job)
  if not checked then return nil, ("%s: %s"):format(opts.path, problem), 1 end
  if opts.output and checked.on_result then
    return nil, ("%s: with 'on_result' there is no output"):format(opts.path), 2
  end
  local config = opts.config(checked.config)
  local out, message = output.open(opts.output or checked.output, opts.append, opts.print)
  if not out then return nil, message, 2 end
  if opts.append and not out.path then
    return nil, "--append adds to an output file: name one with --output, or in the job", 2
  end
  if out.left then
    screen.print(("luapool: %s holds the results of a run that was killed: they are dropped when "
      .. "this run has its first result\n"):format(out.left))
  end
  local name = out.path or base_name(opts.path)
  return setmetatable({
    spec = checked,
    options = opts,
    ctx = setmetatable({ config = config, args = opts.args }, Ctx),
    output = out,
    failed = failures.new(name .. ".failed.jsonl"),
    summary = summary.new(checked.kinds),
    bar = progress.bar { desc = base_name(opts.path), unit = checked.start },
  }, Job)
end

return M
