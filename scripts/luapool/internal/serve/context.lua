-- internal.serve.context: what the functions of a kind get as `ctx`, in the workers. What a
-- function stores in it is seen by all jobs of its worker.

local envelope = require "luapool.internal.queue.envelope"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local M = {}

--- What the functions of a file for `luapool serve` get. What `init` stores in it is seen by all
--- jobs of that worker.
---@within serve
---@class luapool.serve.Context
---@field job luapool.serve.Job the job that runs
---@field args string[] the arguments behind `--`
---@field worker integer which worker this is, from 1 on; a replacement keeps it
---@field listeners table of services: servers of `require "socket"` on what a service manager
--- listens on or `--listen` names, by number and by name
local Ctx = { __name = "luapool.serve.ctx" }

---@within serve
---@class luapool.serve.Job
---@field id string the same whenever it runs
---@field kind string
---@field attempts integer how often it was started, with this time
---@field crashes integer how many workers have died of it
---@field priority integer
---@field key? string
---@field parent? string id of the job that waits for it
---@field put_at number seconds since 1970
---@field children? table[] of the end of a flow: `{ id, kind, state, result, error }` of each job
---@field progress? { share: number, text: string? } how far the run before had come

-- The state of the job of a context.
local function run_of(self, method)
  if type(self) ~= "table" then usage.self(self, Ctx, method) end
  return rawget(self, "run") or usage.raise(method, "only the functions of a kind run a job")
end

--- Puts a job once this one is done, in the same step of the store: another attempt adds nothing
--- twice. Returns its id.
---
--- ```lua
--- return {
---   queue = "sqlite:work.db",
---   kinds = {
---     page = { process = function(n, _, ctx)
---       print(n)
---       if n < 3 then ctx:add("page", n + 1, { priority = 1 }) end
---     end },
---   },
---   concurrency = 1,
--- }
--- -- q:put("page", 3)
--- --> 3
--- ```
---@param kind string
---@param args? any what JSON can carry
---@param opts? luapool.queue.PutOptions
---@return string id
---@raises queue field `code`
function Ctx:add(kind, args, opts)
  local run = run_of(self, "ctx:add")
  local job = envelope.jobs("ctx:add", kind, { args }, 1, opts)[1]
  run.added = run.added or {}
  table.insert(run.added, job)
  return job.id
end

--- Notes how far the job is, for those who look at it (`Queue:status`).
---
--- ```lua
--- return {
---   queue = "sqlite:work.db",
---   kinds = { read = { process = function(n, _, ctx)
---     for i = 1, n do ctx:progress(i / n, "page " .. i) end
---     print "read"
---   end } },
--- }
--- -- q:put("read", 10)
--- --> read
--- ```
---@param share number from 0 to 1
---@param text? string
function Ctx:progress(share, text)
  local run = run_of(self, "ctx:progress")
  usage.argument("ctx:progress", 1, share, "number")
  usage.optional("ctx:progress", 2, text, "string")
  run.channel:progress(run.id, math.max(0, math.min(1, share)), text)
end

--- Whether the job is to stop: somebody has cancelled it, or its process is about to end. Others
--- run meanwhile. A wait raises kind `cancelled` then.
---
--- ```lua
--- return {
---   queue = "sqlite:work.db",
---   kinds = { count = { process = function(n, _, ctx)
---     while n > 0 and not ctx:cancelled() do n = n - 1 end
---     print(n)
---   end } },
--- }
--- -- q:put("count", 100)
--- --> 0
--- ```
---@async
---@return boolean
function Ctx:cancelled()
  run_of(self, "ctx:cancelled")
  return not pcall(task.yield)
end

--- Makes the table that `init` gets, and the metatable of the jobs' contexts.
---@param args string[]
---@param worker integer
---@return table shared
---@return table class
function M.class(args, worker)
  local shared = { args = args, worker = worker }
  for name, method in pairs(Ctx) do
    if type(method) == "function" then shared[name] = method end
  end
  return shared, { __name = Ctx.__name, __index = shared, __newindex = shared }
end

return M
