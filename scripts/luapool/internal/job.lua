-- internal.job: drives a job file. It pulls the items, sends them to workers, writes results and
-- failures, and prints the summary. All items go through one unordered map, whose iterator
-- (internal.job.source) waits while items in flight may add others. What a worker does with an item
-- stands in internal.job.worker, what `--resume` keeps in internal.job.journal. Runs in main only;
-- cli.run calls it.

local core = require "luapool.core"
local context = require "luapool.internal.job.context"
local carry = require("luapool.internal.job.worker").carry
local causes = require "luapool.internal.job.causes"
local errors = require "luapool.error"
local failures = require "luapool.internal.job.failed"
local hosts = require "luapool.internal.job.hosts"
local log = require "luapool.log"
local output = require "luapool.internal.job.output"
local pool = require "luapool.pool"
local report = require "luapool.internal.job.report"
local progress = require "luapool.progress"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local source = require "luapool.internal.job.source"
local spec = require "luapool.internal.job.spec"
local summary = require "luapool.internal.job.summary"
local task = require "luapool.task"
local traces = require "luapool.internal.trace"

-- Seconds that running items have after the first Ctrl-C, that `done` has after them, and that
-- cancelled tasks have to end.
local GRACE = core.grace.stop

-- The reply to an item without a result.
local NOTHING = {}

local M = {}

---@class luapool.job: one run of a job file
---@field spec table the checked table of the job file, see internal.job.spec
---@field options table what cli.run passed to M.open
---@field ctx luapool.job.main_ctx
---@field output luapool.job.output
---@field failed luapool.job.failed
---@field causes luapool.job.causes
---@field summary luapool.job.summary
---@field hosts luapool.job.hosts
---@field failures integer how many items have failed for good
---@field bar luapool.Bar
---@field source luapool.job.source|nil set when `items` has been called
---@field map luapool.Map|nil the items that are under way
---@field workers luapool.Pool|nil set when the pool has been made
---@field consumer luapool.Task|nil the task that maps the items over the pool
---@field last luapool.Task|nil the task that runs the job's `done`
---@field status integer|nil the exit status, when the run was stopped
---@field stopped string|nil what stopped the run: "interrupted", "terminated", …
---@field halted boolean|nil running items have been cancelled, too
---@field closed boolean|nil output and list of failed items have been ended
---@field trace string|nil the traceback in the worker of an error of `init`
---@field journal luapool.job.journal|nil with --resume
local Job = { __name = "luapool.job" }
Job.__index = Job

--- The table that travels to the workers. It holds what they need and no more, because everything
--- in it must be able to travel.
---@param s table the checked job
---@param config table
---@param args string[]
---@param rows? boolean the output is made of rows
---@return table
function M.plan(s, config, args, rows)
  local kinds = {}
  for name, kind in pairs(s.kinds) do
    kinds[name] = { fetch = kind.fetch, process = kind.process, retry = kind.retry }
  end
  return { kinds = kinds, init = s.init, config = config, args = args, rules = s.rules,
    start = s.start, encode = not s.on_result and (rows and "row" or "line") }
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

-- Counts an item that has ended after so many attempts, and moves the bar. One that had an attempt
-- before (`entry.attempts`) has been counted as retried.
local function count(self, entry, how, attempts)
  self.summary:count(entry.kind, how)
  if attempts and attempts > 1 and not entry.attempts then
    self.summary:count(entry.kind, "retried")
  end
  if self.spec.kinds[entry.kind].counted then self.bar:update(1) end
end

-- Counts an item that has failed for good, lists it and calls the job's `on_error`. `reply` is the
-- worker's, where it has sent one.
local function failed(self, entry, e, attempts, reply)
  if entry.internal then
    if entry.meta then log.warn("sitemap %s: %s", entry.item, e) end -- a sitemap that was named
    return
  end
  count(self, entry, "failure", attempts)
  local trace = reply and reply.traceback or traces.of_user(errors.traceback(e))
  local place = reply and reply.place or traces.place(e, trace)
  self.failed:add(entry.item, self.spec.named and entry.kind, e, attempts, trace)
  report.failed(self, entry.item, e, place)
  if self.spec.on_error then self.spec.on_error(e, entry.item) end
  local rules = self.spec.rules
  self.failures = self.failures + 1
  if rules and rules.max_errors and self.failures >= rules.max_errors then
    self.source:finish "max_errors"
    self.source:stop()
  end
  if self.options.fail_fast and not self.stopped then self:stop(3, "stopped by --fail-fast") end
end

-- Adds the items that an entry has led to. They come by turns: item, kind, how.
local function add_all(self, entry, added)
  local from = self.source
  local add = from.add_of
  for i = 1, #added, 3 do
    add(from, entry, added[i], added[i + 1] or entry.kind, added[i + 2])
  end
end

-- Passes a result on.
local function pass_on(self, entry, value)
  if self.spec.on_result then
    self.spec.on_result(value, entry.item)
  else
    self.output:write(value)
  end
end

-- Adds the items that a successful item has added, passes its results on and counts it. What the
-- reply is, internal.job.worker tells.
local function succeeded(self, entry, reply)
  local added, value, rows = reply[1], reply[2], reply.rows
  if added then add_all(self, entry, added) end
  if entry.internal then return end
  for i = 1, rows and #rows or 0 do pass_on(self, entry, rows[i]) end
  if value ~= nil then pass_on(self, entry, value) end
  count(self, entry, "success", reply.attempts)
end

-- Takes back an entry whose attempt has failed. One that its host has refused, because others were
-- under way with it, has not had an attempt.
local function try_again(self, entry, reply, seconds)
  if not reply.refused or self.source:refused(entry, reply.host, reply.refused) then
    if not reply.again then return false end
    if not entry.attempts then self.summary:count(entry.kind, "retried") end
    entry.attempts = reply.attempts
    entry.elapsed = reply.elapsed + seconds
    entry.waited = (reply.waited or 0) + seconds
  end
  self.source:again(entry, seconds, reply.refused)
  return true
end

-- Handles the reply of a worker to an entry. When the pool has an error in its place, `reply` is
-- nil and `e` is the error: the worker has died, or the item could not be sent.
local function settle(self, entry, reply, e)
  if self.halted and errors.is(e, "cancelled") then return end
  if reply == true then
    succeeded(self, entry, NOTHING)
    return self.source:settle(entry)
  end
  if reply and (reply.requests or reply.skipped) then self.hosts:take(entry, reply, self.source) end
  if entry.host_asked then return self.source:robots_came(entry, reply, e) end
  if not reply then
    local runs = errors.is(e, "worker_died") and e.attempts or 1
    failed(self, entry, e, (entry.attempts or 0) + runs)
  elseif reply.fatal then
    self.trace = reply.traceback
    error(reply.error, 0)
  elseif reply.again then
    try_again(self, entry, reply, reply.again)
    return
  elseif reply.failed then
    if reply.refused and try_again(self, entry, reply, reply.refused) then return end
    failed(self, entry, reply.error, reply.attempts, reply)
  else
    if reply.refused then self.source:refused(entry, reply.host, reply.refused) end
    succeeded(self, entry, reply)
  end
  self.source:settle(entry, reply and reply.refused ~= nil)
end

-- Gives the bar its total as soon as the size of the input is known. Added items change it.
local function show_total(self)
  if not self.source.resized then return end
  self.source.resized = false
  local total = 0
  for name, kind in pairs(self.spec.kinds) do
    local known = kind.counted and self.source:known(name) or not kind.counted and 0
    total = total and known and total + known
  end
  self.bar:set_total(total or nil)
end

-- Sends an item to a worker: the fields of a luapool.job.page.
local function put_item(handle, entry)
  if entry == nil then return false end
  if not entry.attempts then return handle:send(entry.item, entry.kind) end
  return handle:send(entry.item, entry.kind, entry.attempts, entry.elapsed, entry.waited)
end

-- The same for a crawl.
local function put_page(handle, entry)
  if entry == nil then return false end
  return handle:send(entry.item, entry.kind, entry.attempts, entry.elapsed, entry.waited,
    entry.depth, entry.referrer, entry.meta)
end

-- What `--resume` keeps beside the items.
local function state_of(self)
  local kinds = {}
  for name, of in pairs(self.summary.kinds) do
    kinds[name] = { success = of.success, failure = of.failure, retried = of.retried }
  end
  return { kinds = kinds, failures = self.failures, elapsed = task.now() - self.began,
    depth = self.source and self.source.frontier.depth or self.journal.earlier.depth }
end

local function start_journal(self)
  local outputs = { output = self.output, failed = self.failed }
  self.journal:start(outputs, function() return state_of(self) end, function(e)
    self.unkept = e
    self.consumer:cancel "what is done cannot be kept"
  end)
end

-- The task of a run: makes the pool, opens the items and maps them over the workers.
local function consume(self)
  local workers <close> = new_pool(self.spec)
  local journal = self.journal
  self.workers = workers
  if journal then start_journal(self) end
  self.source = source.open(self.spec, self.ctx, workers.places, journal)
  self.source:listen(function(rule, host) self.hosts:skip(host, rule, 1) end, function(entry, e)
    failed(self, entry, e, entry.attempts or 0)
  end)
  local function next_entry()
    local entry = self.source:next()
    show_total(self)
    return entry
  end
  local put = self.spec.rules and put_page or put_item
  local plan = M.plan(self.spec, self.ctx.config, self.ctx.args, self.output.rows)
  local map = workers:map_items(carry(plan), next_entry, put)
  self.map = map
  for _, reply, e, entry in map, nil, nil, map do
    if journal then journal:settles() end
    settle(self, entry, reply, e)
    if journal then journal:settled() end
  end
end

-- Ends the outputs of a run with --resume. They get their names at the end of the job, when it is
-- known that they do; before that they stay for the run that goes on. Returns a message when
-- something could not be written.
local function keep(self, whole)
  local journal, failed_list, out = self.journal, self.failed, self.output
  journal:stop()
  local ok, e = pcall(function()
    if whole and journal.stage == "running" then
      out:seal()
      journal:commit "ended"
    elseif not whole and journal.settling == 0 and not journal.broken then
      journal:commit()
    end
  end)
  if ok and whole then
    failed_list:close(true)
    ok, e = out:close(true)
  else
    out:leave()
    failed_list:leave()
  end
  if not whole or not ok then
    screen.print(("luapool: %s has what is done: the same command goes on\n"):format(journal.path))
    journal:close()
  end
  return not ok and e or nil
end

-- Ends the output and the list of failed items, once. `whole` tells whether the job has run to its
-- end. Returns a message when the output could not get its name.
local function close(self, whole)
  if self.closed then return nil end
  self.closed = true
  if self.source then self.source:close() end
  self.bar:close()
  if self.journal then return keep(self, whole) end
  self.failed:close(whole)
  local ok, message = self.output:close(whole)
  return not ok and message or nil
end

-- Cancels everything that runs: the workers are terminated, so that tasks which never wait end,
-- too. When a hook in main does not end in time because it never waits, the process is ended.
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

-- Calls `halt` when the grace period is over, unless `done` has begun meanwhile, which has a grace
-- period of its own.
local function halt_later(self, what)
  local last = self.last
  task.spawn(function()
    task.sleep(GRACE)
    if self.last == last then halt(self, what) end
  end):name "grace"
end

--- Stops the job. The first call stops the pulling of items and gives running ones the grace period
--- to finish; the second one cancels them.
---@param status integer the exit status of the run
---@param what string "interrupted", …
function Job:stop(status, what)
  local again = self.status ~= nil
  self.status, self.stopped = self.status or status, self.stopped or what
  if again or not self.source then return halt(self, what) end
  self.source:stop()
  local who = self.last and "'done' has" or "running items have"
  report.note(self, "%s: %s %d s to finish", what, who, GRACE)
  halt_later(self, what)
end

-- Whether a task of the job has ended by an error, and that error. To be cancelled because the job
-- was stopped is no error.
local function fault(self, ok, e)
  if ok or self.stopped and errors.is(e, "cancelled") then return false end
  return true, e
end

-- Works on all items. Returns whether an error of a hook, of the pool or of the iterator has ended
-- the work, and that error.
local function work(self)
  if self.journal and self.journal.stage ~= "running" then return false end
  self.consumer = task.spawn(consume, self)
  local ok, e = self.consumer:result()
  if self.unkept then return true, self.unkept end
  local puller = self.source and self.source.input.puller
  if ok and puller and puller:status() == "failed" then ok, e = puller:result() end
  return fault(self, ok, e)
end

-- Calls the job's `done` and prints the summary, which is the last line on stderr. Returns false
-- when `done` has failed.
local function finish(self)
  local s = self.summary
  local limit = self.source and self.source.limit
  s:finish(self.source and self.source.totals or self.totals or {}, task.now() - self.began,
    self.stopped or limit and "ended by " .. limit)
  if self.spec.rules then s.hosts = self.hosts:figures() end
  local wrong, e = false, nil
  if self.spec.done then
    self.last = task.spawn(self.spec.done, s, self.ctx)
    if self.stopped then halt_later(self, self.stopped) end
    wrong, e = fault(self, self.last:result())
  end
  if wrong then self.options.report(e) end
  report.ended(self)
  return not wrong
end

-- A job that has been done: says so. Returns the exit status.
local function over(self)
  self.bar:close()
  self.journal:close()
  report.note(self, "%s: this job has been done: nothing is left (another file for --resume "
    .. "begins anew)", self.journal.path)
  self.summary:finish(self.totals, self.elapsed)
  report.summary(self)
  return self.summary:any_failed() and 3 or 0
end

--- Runs the job to its end. Returns the exit status.
---@return integer
function Job:run()
  self.began = task.now() - self.elapsed
  if self.journal and self.journal.stage == "finished" then return over(self) end
  -- A run that is cancelled, as by a deadlock, keeps its results, too.
  local _ <close> = setmetatable({}, { __close = function() close(self, false) end })
  local wrong, e = work(self)
  local whole = not wrong and not self.stopped
  local lost = close(self, whole)
  if wrong then self.options.report(e, self.trace) end
  if lost then self.options.report(lost) end
  local done = finish(self)
  local journal = whole and not lost and self.journal
  if journal and done then journal:finish() elseif journal then journal:close() end
  if wrong or lost or not done then return 1 end
  return self.status or (self.summary:any_failed() and 3 or 0)
end

-- "titles" for jobs/titles.lua. The list of failed items is named so when there is no output file.
local function base_name(path) return path:match("([^/]*)$"):gsub("%.lua$", "") end

-- Takes over what earlier runs have counted.
local function restore(self, earlier)
  local done = 0
  self.totals, self.elapsed, self.failures = {}, earlier.elapsed or 0, earlier.failures or 0
  for name, of in pairs(earlier.kinds or {}) do
    local mine = self.summary.kinds[name]
    mine.success, mine.failure, mine.retried = of.success, of.failure, of.retried or 0
    self.totals[name] = of.success + of.failure
    if self.spec.kinds[name].counted then done = done + self.totals[name] end
  end
  return done
end

--- Opens a job: checks its table, reads its settings, finds out whether its output can be written.
--- Returns nil, a message of one line and the exit status when something is wrong.
---@param job any what the job file returned
---@param opts { path: string, text: string, args: string[], output: string?, append: boolean?,
---  resume: string?, quiet: boolean?, verbose: boolean?, fail_fast: boolean?, config: function,
---  print: function, report: function, exit: function } text is that of the file; print writes
---  lines to stdout, report an error to stderr; exit ends the process with a status
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
  local out, message, journal
  if opts.resume then
    out, message, journal = require("luapool.internal.job.resume").open(checked, opts, config)
  else
    out, message = output.open(opts.output or checked.output, opts.append, checked.columns,
      opts.print)
  end
  if not out then return nil, message, 2 end
  if opts.append and not out.path then
    return nil, "--append adds to an output file: name one with --output, or in the job", 2
  end
  if out.left then
    screen.print(("luapool: %s holds the results of a run that was killed: they are dropped when "
      .. "this run has its first result\n"):format(out.left))
  end
  local name = out.path or base_name(opts.path)
  local self = setmetatable({
    spec = checked,
    options = opts,
    ctx = context.new(config, opts.args),
    output = out,
    failed = failures.new(name .. ".failed.jsonl"),
    causes = causes.new(),
    summary = summary.new(checked.kinds),
    hosts = hosts.new(),
    failures = 0,
    elapsed = 0,
    journal = journal,
  }, Job)
  local done, earlier = 0, journal and journal.earlier
  if earlier then
    done = restore(self, earlier)
    local mark, ok = earlier.outputs and earlier.outputs.failed, true
    if mark then ok, message = self.failed:continue(mark, journal.stage ~= "running") end
    if not ok then return nil, message, 2 end
  end
  self.bar = progress.bar { desc = base_name(opts.path), unit = checked.start, initial = done }
  self.bar.outcomes = function() return self.summary:outcomes() end
  self.bar.stalled = function(now) return report.stalled(self, now) end
  return self
end

return M
