-- Runs spec files with busted inside luapool: luapool run tests/support/spec.lua -- FILE...
-- Each `it` is a task of its own, so it may await; one that takes longer than SPEC_LIMIT seconds
-- (60) is cancelled and fails where it waited. Prints TAP. A file that leaves a task or a
-- descriptor open fails. A spec's _ENV is the real table of globals (busted's own is a proxy), so
-- that its functions travel to workers as those of any script do.

local internal = require "tests.support.internal"
local task, core = require "luapool.task", internal "luapool.task.core"
local lfs = require "lfs"
local busted = require "busted.core"()
require "busted"(busted)

local files = { ... }
local limit = tonumber(os.getenv("SPEC_LIMIT")) or 60
local count, failures = 0, 0

local function comment(text)
  io.stdout:write("# ", (tostring(text):gsub("\n", "\n# ")), "\n")
end

local function report(name, status, ...)
  count = count + 1
  local ok = status ~= "failure" and status ~= "error"
  if not ok then failures = failures + 1 end
  io.stdout:write(ok and "ok " or "not ok ", count, " - ", (name:gsub("[\n#]", " ")),
    status == "pending" and " # SKIP" or "", "\n")
  for _, text in ipairs { ... } do comment(text) end
  io.stdout:flush()
end

local function full_name(element)
  local names = {}
  while element and element.descriptor ~= "file" do
    table.insert(names, 1, element.name)
    element = busted.context.parent(element)
  end
  return table.concat(names, " ")
end

-- What busted says of the running test before it says that it ended.
local trouble = {}

local function note(element, _, message, trace)
  local text = tostring(message) .. (trace and trace.traceback or "")
  if element.descriptor == "it" then
    table.insert(trouble, text)
  else
    report((element.name or "") .. " (" .. tostring(element.descriptor) .. ")", "error", text)
  end
  return nil, true
end

busted.subscribe({ "failure" }, note)
busted.subscribe({ "error" }, note)
busted.subscribe({ "test", "end" }, function(element, _, status)
  report(full_name(element), status, table.unpack(trouble))
  trouble = {}
  return nil, true
end)

-- busted's message handler returns nothing, and what it returns is what `<close>` variables get as
-- the error: a pool would be joined by a test that fails, and not terminated. So a test raises its
-- error a second time, out of its scopes, with the trace of the first time.
local traces = setmetatable({}, { __mode = "k" }) -- element -> where its error was raised
local trace_of = busted.getTrace
function busted.getTrace(element, level, message)
  local trace = traces[element] or trace_of(element, level, message)
  return trace
end

local function raising_twice(run, element)
  local function note_trace(message)
    traces[element] = trace_of(element, 3, message)
    return message
  end
  return function(...)
    local results = table.pack(xpcall(run, note_trace, ...))
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
end

-- busted.safe runs each part of a spec; the tests themselves it runs as tasks. In a test, `pending`
-- and `finally` are not those outside.
local safe = busted.safe
function busted.safe(descriptor, run, element)
  if descriptor ~= "it" or run ~= element.run then return safe(descriptor, run, element) end
  local outside = _G.pending
  _G.pending, _G.finally = busted.pending, element.env.finally
  local test = task.spawn(safe, descriptor, raising_twice(run, element), element)
  local _, late = task.wait({ test }, { timeout = limit })
  if late[1] then test:cancel(("not done after %g s"):format(limit)) end
  local ok, status = test:result()
  _G.pending, _G.finally = outside, nil
  if not ok then
    table.insert(trouble, tostring(status))
    return busted.status("error")
  end
  return status
end

function busted.wrap() end
for name in pairs(busted.executors) do _G[name] = busted.api[name] end

-- luassert's `assert` raises tables, so only spec files see it: library code keeps the plain one.
local header = "local assert, spy, stub, mock, match = require 'luassert', require 'luassert.spy', "
  .. "require 'luassert.stub', require 'luassert.mock', require 'luassert.match' "

local function get_trace(_, info)
  info.traceback = info.traceback:match("^(.-)\n%s*%[C%]: in function 'xpcall'") or info.traceback
  return info
end

local function add_file(name)
  local file = assert(io.open(name))
  local chunk, message = load(header .. file:read("a"), "@" .. name, "t")
  file:close()
  if not chunk then return report(name, "error", message) end
  busted.executors.file(name, setmetatable({ getTrace = get_trace }, { __call = chunk }))
end

local function descriptors()
  local open = {}
  for fd in lfs.dir("/proc/self/fd") do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
    if target then open[fd] = target end
  end
  return open
end

-- The tasks that have ended and the objects that nobody holds are gone after this.
local function settle()
  task.sleep(0)
  collectgarbage()
  collectgarbage()
  task.sleep(0)
end

local function left_open(before, tasks_before)
  local list = {}
  local tasks = core.count() - tasks_before
  if tasks > 0 then list[1] = tasks .. " tasks" end
  for fd, target in pairs(descriptors()) do
    if before[fd] ~= target and not target:find("/proc/%d+/fd$") then
      list[#list + 1] = ("descriptor %s: %s"):format(fd, target)
    end
  end
  table.sort(list)
  return list
end

-- libuv keeps a descriptor of /dev/null from the first stream of a loop on, and a runtime the
-- line to its keeper from the first program on, and one of inotify from the first watch on.
require "luapool.pool".new { processes = 1 }:terminate()
os.execute "true"
internal "luapool.fs.core".watch("/"):close()
settle()
local before, tasks_before = descriptors(), core.count()
for _, name in ipairs(files) do add_file(name) end
require "busted.execute"(busted)(1, {})
settle()
local left = left_open(before, tasks_before)
if #left > 0 then report("leaves nothing open", "failure", table.unpack(left)) end
io.stdout:write("1..", count, "\n")
io.stdout:flush()
if failures > 0 then os.exit(1) end
