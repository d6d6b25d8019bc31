-- cli.ctl: luapool ctl: asks a run of `luapool serve` what it does, and steers it.

local cli = require "cli.options"

local M = {
  usage = "ctl status|reload|scale|stop [options] [PID|SOCKET]",
  summary = "ask and steer a luapool serve",
  about = "Talks with a run of luapool serve of the same user: the only one, the one with this\n"
    .. "process id, or the one that listens on this socket.",
  verbs = {
    { "status", false, "what runs, and what has ended so far" },
    { "reload", false, "load its file again, as SIGHUP does; fails when it is not taken over" },
    { "scale", "N", "have N workers from now on" },
    { "stop", false, "stop in order, as SIGTERM does; waits for the end" },
  },
  options = {
    { false, "json", false, "flag", "the status as JSON" },
    cli.help,
  },
  status = {
    { 0, "done" },
    { 1, "it was refused, or has failed" },
    { 2, "wrong usage, or no such run" },
  },
  examples = {
    { "luapool ctl status", "of the only run" },
    { "luapool ctl scale 8 4711", "of the run with this process id" },
  },
}

local function control() return require "luapool.internal.serve.control" end

local function listens(path)
  require "luapool.socket.core"
  local client = require("luapool.socket.stream").unix(path)
  if client then client:close() end
  return client ~= nil
end

-- The sockets of the runs of this user.
local function all()
  local folder = control().folder()
  local ok, names = pcall(require("luapool.fs").list, folder)
  local list = {}
  for _, name in ipairs(ok and names or {}) do
    local path = folder .. "/" .. name
    if name:find "^%d+%.sock$" and listens(path) then list[#list + 1] = path end
  end
  return list
end

local function find(target)
  if target and target:find "^%d+$" then
    local path = ("%s/%s.sock"):format(control().folder(), target)
    if listens(path) then return path end
    cli.wrong("no luapool serve of yours has the process id %s", target)
  end
  if target then
    if not listens(target) then cli.wrong("no luapool serve listens on %s", target) end
    return target
  end
  local list = all()
  if #list == 1 then return list[1] end
  if #list == 0 then
    cli.wrong("no luapool serve of yours runs; name its socket when it has --control")
  end
  local pids = {}
  for i, path in ipairs(list) do pids[i] = path:match "(%d+)%.sock$" end
  table.sort(pids, function(a, b) return tonumber(a) < tonumber(b) end)
  cli.wrong("several run, name one: %s", table.concat(pids, ", "))
end

local function show(status)
  local t = status.totals
  print(("%s  %s, process %d, up %d s"):format(status.file, status.state, status.pid, status.up))
  if status.queue then
    local text = "queue %s: %d run; %d done, %d failed, %d tried again, %d cancelled, %d given back"
    print(text:format(status.queue, status.running, t.done, t.failed, t.again, t.cancelled, t.back))
  end
  for _, worker in ipairs(status.workers) do
    print(("  %-12s process %d, %d run, %d ended"):format(worker.name, worker.pid, worker.busy,
      worker.ended))
  end
  for _, service in ipairs(status.services) do
    print(("  %-12s process %d"):format(service.name, service.pid))
  end
end

function M.run(values, positional)
  local word = positional[1] or cli.wrong("what? luapool ctl status|reload|scale|stop")
  local options = require "luapool.internal.options"
  local known = {}
  for _, verb in ipairs(M.verbs) do known[verb[1]] = true end
  if not known[word] then cli.wrong("unknown word '%s'%s", word, options.hint(word, known)) end
  local request, at = { cmd = word }, 2
  if word == "scale" then
    local n = math.tointeger(tonumber(positional[2]))
    if not n or n < 1 or n > 4096 then cli.wrong("how many workers? luapool ctl scale N") end
    request.n, at = n, 3
  end
  if positional[at + 1] then cli.wrong("too many words: '%s'", positional[at + 1]) end
  local path = find(positional[at])
  local answer, message = control().ask(path, request)
  if not answer then
    if word == "stop" and message == "it has ended" then return 0 end
    cli.wrong("%s does not answer: %s", path, message)
  end
  if answer.error then
    require("luapool.term.core").print("luapool ctl: " .. answer.error .. "\n")
    return 1
  end
  if word == "status" and values.json then
    print(require("luapool.json").encode(answer, { sort_keys = true }))
  elseif word == "status" then
    show(answer)
  end
  return 0
end

return M
