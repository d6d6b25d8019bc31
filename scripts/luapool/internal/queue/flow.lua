-- internal.queue.flow: groups, chains and chords as jobs. Whatever its shape, a flow is a tree:
-- a job that waits for others is their parent. A chain is a chord of one job after the other.

local envelope = require "luapool.internal.queue.envelope"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local M = {}

local WHERE = "Queue:flow"
local A_FLOW = "a flow is a list of jobs { kind, args, options }"
local FIELDS = { on_done = "table", on_failure = { "fail", "continue" }, chain = "boolean" }

local check_node -- below

local function fields_of(spec)
  local fields, n = {}, 0
  for key, value in pairs(spec) do
    if math.type(key) == "integer" then
      n = n + 1
    else
      fields[key] = value
    end
  end
  local problem = options.problem(fields, FIELDS, "field")
  if problem then usage.raise(WHERE, "%s", problem) end
  if n == 0 or n ~= #spec then usage.raise(WHERE, A_FLOW) end
  return fields
end

-- A leaf is { "kind", args, options }, anything else a flow of its own.
local function is_job(node) return type(node) == "table" and type(node[1]) == "string" end

local function make_job(self, node, parent)
  local jobs = envelope.jobs(WHERE, node[1], { node[2] }, 1, node[3], self.largest)
  local job = jobs[1]
  if job.unique then usage.raise(WHERE, "a job of a flow has no 'unique'") end
  job.parent = parent
  return job
end

local function add(self, job)
  self.jobs[#self.jobs + 1] = job
  return job
end

local function add_chain(self, spec, parent)
  local ids, lenient = {}, spec.on_failure == "continue"
  local steps = table.move(spec, 1, #spec, 1, {})
  if spec.on_done then steps[#steps + 1] = spec.on_done end
  for i = #steps, 1, -1 do
    if not is_job(steps[i]) then
      usage.raise(WHERE, "a chain is of jobs { kind, args, options }")
    end
    local job = make_job(self, steps[i], parent)
    if i > 1 then job.flow = { pending = 1, lenient = lenient } end
    add(self, job)
    parent = job.id
    table.insert(ids, 1, job.id)
  end
  return ids
end

-- Returns the ids of what the flow begins with, and of its end.
local function add_flow(self, spec, parent)
  local fields = fields_of(spec)
  if fields.chain then
    local ids = add_chain(self, spec, parent)
    return ids, ids[#ids]
  end
  local last
  if fields.on_done then
    if not is_job(fields.on_done) then
      usage.raise(WHERE, "'on_done' is a job { kind, args, options }")
    end
    last = make_job(self, fields.on_done, parent)
    last.flow = { pending = #spec, lenient = fields.on_failure == "continue" }
    add(self, last)
  elseif fields.on_failure then
    usage.raise(WHERE, "'on_failure' needs 'on_done'")
  elseif parent then
    usage.raise(WHERE, "a flow inside another one needs 'on_done'")
  end
  local ids = {}
  for i, node in ipairs(spec) do ids[i] = check_node(self, node, last and last.id) end
  return ids, last and last.id
end

function check_node(self, node, parent)
  if type(node) ~= "table" then usage.raise(WHERE, A_FLOW) end
  if is_job(node) then return add(self, make_job(self, node, parent)).id end
  local _, last = add_flow(self, node, parent)
  if not last then usage.raise(WHERE, "a flow inside another one needs 'on_done' or 'chain'") end
  return last
end

--- Makes the jobs of a flow.
---@param spec table
---@param largest? integer
---@return table[] jobs
---@return string[] ids of its jobs, in their order
---@return string|nil last the id of the job that ends it
function M.jobs(spec, largest)
  if type(spec) ~= "table" then usage.expected(WHERE, 1, "a list of jobs", spec) end
  local self = { jobs = {}, largest = largest }
  local ids, last = add_flow(self, spec, nil)
  return self.jobs, ids, last
end

return M
