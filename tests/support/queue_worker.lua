-- What a consumer does with a store, step by step, for specs.

local digest = require "luapool.digest"
local task = require "luapool.task"
local json = require "luapool.json"

local M = {}

--- Claims until there are `n` jobs, as a consumer waits for them; raises when that takes too long.
function M.take(q, n, kinds)
  local list, store, late = {}, q.store, task.now() + 30
  while #list < n do
    local since = store:changes()
    local _, claimed, due = store:settle({}, n - #list, kinds)
    table.move(claimed, 1, #claimed, #list + 1, list)
    if #list < n then
      assert(task.now() < late, ("%d of %d jobs after 30 s"):format(#list, n))
      if #claimed == 0 then store:wait(math.min(due or 1, 1), since) end
    end
  end
  return list
end

--- What can be claimed now.
function M.now(q, n, kinds)
  local _, claimed = q.store:settle({}, n, kinds)
  return claimed
end

--- Ends a job; `how` has the fields of a result.
function M.settle(q, job, kinds, how)
  how.id, how.token = job.id, job.token
  if how.value ~= nil then how.value = json.encode(how.value) end
  if how.error ~= nil then how.error = json.encode(how.error) end
  return q.store:settle({ how }, 0, kinds)[1]
end

function M.done(q, job, kinds, value)
  return M.settle(q, job, kinds, { outcome = "done", value = value })
end

--- Puts a job, and tells whether it is a new one.
function M.is_new(q, kind, args, opts)
  opts.id = digest.uuid(7)
  return q:put(kind, args, opts) == opts.id
end

--- The numbers from one to another.
function M.numbers(from, to)
  local list = {}
  for n = from, to do list[#list + 1] = n end
  return list
end

--- The arguments of jobs.
function M.args(list)
  local args = {}
  for i, job in ipairs(list) do args[i] = json.decode(job.args) end
  return args
end

return M
