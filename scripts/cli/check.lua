-- cli.check: luapool check FILE...: syntax, the fields of a job, whether what the workers get can
-- travel, and the globals that a job's functions use: globals do not travel, so fetch, process and
-- init find nil there. A file that returns something is run up to its end for that; a script is
-- not.

local cli = require "cli.options"
local globals = require "cli.globals"
local job_core = require "luapool.job.core"
local options = require "luapool.internal.options"
local run = require "cli.run"
local task = require "luapool.task"
local text_of = require("luapool.error.core").text

local M = {
  usage = "check FILE...",
  summary = "check the syntax, job fields and globals of files",
  about = "Checks the syntax of files, the fields of jobs and whether their functions can travel\n"
    .. "to workers, and warns of globals, which do not.",
  completes = "file",
  options = { cli.help },
  status = {
    { 0, "nothing is wrong; there may be warnings" },
    { 1, "something is wrong" },
    { 2, "wrong usage, or an unreadable file" },
  },
  examples = { { "luapool check titles.lua", "before a long run" } },
}

-- What every worker has, too.
local standard = { arg = true }
for name in pairs(_G) do standard[name] = true end

local function say(path, line, message, ...)
  io.stderr:write(path, ":", line and line .. ":" or "", " ", message:format(...), "\n")
end

-- The functions that travel with a job: those of its table and what they reach by upvalues and
-- metatables. The result has their first lines as keys.
local function reach(value, source, lines, seen)
  if seen[value] or value == _G then return end
  seen[value] = true
  local meta = debug.getmetatable(value)
  if type(value) == "table" and meta then reach(meta, source, lines, seen) end
  if type(value) == "table" then
    for _, v in next, value do reach(v, source, lines, seen) end
  elseif type(value) == "function" then
    local info = debug.getinfo(value, "S")
    if info.source ~= source then return end
    lines[info.linedefined] = true
    for i = 1, math.huge do
      local name, v = debug.getupvalue(value, i)
      if not name then return end
      if v ~= nil then reach(v, source, lines, seen) end
    end
  end
end

local function travelling(job, source)
  local lines, seen = {}, {}
  local all = { job }
  for _, kind in pairs(job.kinds or {}) do table.insert(all, kind) end
  for _, t in ipairs(all) do
    for _, field in ipairs { "fetch", "process", "init", "retry" } do
      if t[field] ~= nil then reach(t[field], source, lines, seen) end
    end
  end
  return lines
end

local function inside(use, lines)
  for _, line in ipairs(use.within) do
    if lines[line] then return true end
  end
  return false
end

-- The names that functions with these first lines set.
local function set_inside(uses, lines)
  local names = {}
  for _, use in ipairs(uses) do
    if use.write and inside(use, lines) then names[use.name] = true end
  end
  return names
end

-- Names that init sets are there: it runs in each worker.
local function set_by_init(uses, job, source)
  local lines = {}
  if job.init then reach(job.init, source, lines, {}) end
  return set_inside(uses, lines)
end

-- Warns once of each global that a travelling function uses, unless it is known in workers.
local function warn_of(path, uses, lines, known)
  local told, set = {}, set_inside(uses, lines)
  for _, use in ipairs(uses) do
    local name = use.name
    if not told[name] and not known[name] and inside(use, lines) then
      told[name] = true
      if set[name] then
        say(path, use.line, "warning: global '%s' is set in a worker, where all tasks share it: "
          .. "is a 'local' missing?", name)
      else
        local hint = options.hint(name, standard)
        say(path, use.line, "warning: global '%s' is nil in a worker: globals do not travel%s",
          name, hint)
      end
    end
  end
end

-- Warns of a policy of retry that nothing runs under.
local function warn_of_retry(path, job)
  for name, kind in pairs(job.kinds or { job }) do
    local policy = kind.retry
    if policy == nil then policy = job.retry end
    if not kind.fetch and type(policy) == "table" then
      local where = job.kinds and ("kinds.%s: "):format(name) or ""
      say(path, nil, "warning: %sfield 'retry' is the policy of 'fetch': 'process' runs once",
        where)
    end
  end
end

local function union(a, b)
  local all = {}
  for name in pairs(a) do all[name] = true end
  for name in pairs(b) do all[name] = true end
  return all
end

-- Runs the file for what it returns; nil when it failed.
local function result_of(path, chunk)
  local running = task.spawn(chunk)
  local ok, result = running:result()
  if ok then return result end
  local e = text_of(result):match("^[^\n]*")
  io.stderr:write(e:find(path, 1, true) and "" or path .. ": ", e, "\n")
  return nil
end

-- Encodes what the workers of a job get, and the items of a list, as a run would. Returns false
-- when something cannot travel, and says what.
local function can_travel(path, spec)
  local plan = require("luapool.internal.job").plan(spec, {}, {})
  local carried = require("luapool.internal.job.worker").carry(plan)
  local ok, e = pcall(job_core.pack, carried)
  if not ok then say(path, nil, "%s", text_of(e)) end
  if type(spec.items) ~= "table" or options.callable(spec.items) then return ok end
  for i, item in ipairs(spec.items) do
    local fits, problem = pcall(job_core.pack, item)
    if not fits then
      say(path, nil, "item %d: %s", i, text_of(problem))
      return false
    end
  end
  return ok
end

local function check_job(path, chunk, uses)
  local job = result_of(path, chunk)
  if job == nil then return 1 end
  local checked, problem = require("luapool.internal.job.spec").check(job)
  if not checked then
    say(path, nil, "%s", problem)
    return 1
  end
  if not can_travel(path, checked) then return 1 end
  local source = "@" .. path
  warn_of_retry(path, job)
  warn_of(path, uses, travelling(job, source), union(standard, set_by_init(uses, job, source)))
  return 0
end

-- Checks one file. Returns the status.
local function check(path)
  local chunk, message, text, name = run.load(path)
  if not chunk then
    io.stderr:write(message, "\n")
    return 1
  end
  local uses, returns = globals.find(text)
  local status = returns and check_job(name, chunk, uses) or 0
  if status == 0 then print(name .. ": ok") end
  return status
end

function M.run(_, positional)
  if not positional[1] then cli.wrong("which FILE? luapool check FILE") end
  local search, status = package.path, 0
  for _, path in ipairs(positional) do
    package.path = search -- each file has its own folder
    status = math.max(status, check(path))
  end
  return status
end

return M
