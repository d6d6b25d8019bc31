-- Many processes take turns with one lock while some of them are killed: never may two hold it, and
-- the fencing tokens rise strictly.

local fs = require "luapool.fs"
local process = require "luapool.process"
local task = require "luapool.task"

local M = {}

local here = debug.getinfo(1, "S").source:match "^@?(.*/)"
local RUN = [[echo $$ > "$1"; shift; exec setpriv --pdeathsig KILL "$@"]]

-- The turns that the journal tells of: how many each process has ended. Fails when one began before
-- the one before had ended, unless that was killed, or told that it had lost its lease.
local function read(journal)
  local ended, latest, open = {}, 0, nil
  local overlapped, lost, killed = {}, {}, 0
  for line in fs.lines(journal) do
    local what, token, name, turn = line:match "^(%l+) (%d+) (%d+/%d+) (%d+)$"
    assert(what, line)
    token, turn = math.tointeger(token), math.tointeger(turn)
    if what == "begin" then
      assert(token > latest, ("the token %d comes after %d"):format(token, latest))
      if open then overlapped[latest] = open end
      latest, open = token, name
    elseif what == "lost" then
      lost[token] = true
    else
      local current = open == name and token == latest
      assert(current or overlapped[token] == name, name .. " ended what it did not hold: " .. line)
      if current then open = nil end
      ended[name:match "^%d+"] = turn
    end
  end
  for token, name in pairs(overlapped) do
    assert(M.killed[name] or lost[token], name .. " held the lock when another one began")
    killed = killed + (M.killed[name] and 1 or 0)
  end
  return ended, killed
end

-- One process after the other until all turns are done.
local function member(opts, number, state)
  local life, first = 0, 1
  repeat
    life = life + 1
    local name = number .. "/" .. life
    local pid = ("%s/pid-%d"):format(opts.dir, number)
    state[number] = { name = name, pid = pid }
    local made = process.exec { "sh", "-c", RUN, "sh", pid, opts.luapool, "run",
      here .. "lock_member.lua", "--", opts.engine, opts.place, opts.journal, name,
      tostring(first), tostring(opts.turns) }
    local was = state[number]
    state[number] = nil
    assert(was.killed or made.code == 0, made.stderr)
    local own = (" %s/"):format(number) -- where it got to
    for line in fs.lines(opts.journal) do
      if line:find("^end ") and line:find(own, 1, true) then first = line:match "%d+$" + 1 end
    end
  until not was.killed or first > opts.turns
end

-- The number of the process that takes its time with the lock, if any does.
local function holder(journal)
  local file <close> = assert(io.open(journal))
  file:seek("set", math.max(0, file:seek "end" - 100))
  local number, turn = file:read("a"):match "begin %d+ (%d+)/%d+ (%d+)\n$"
  return turn and turn % 100 == 10 and math.tointeger(number) or nil
end

-- Kills one of them: one that holds the lock if one does within so many seconds.
local function kill_one(opts, state, seconds)
  local due, number = task.now() + seconds, nil
  while not number and task.now() < due do
    task.sleep(0.01)
    number = holder(opts.journal)
  end
  local numbers = {}
  for any in pairs(state) do numbers[#numbers + 1] = any end
  local one = state[number or numbers[math.random(#numbers)]]
  local ok, pid = pcall(fs.read, one and one.pid or "")
  if not ok or not pid:find "%d" then return end
  M.killed[one.name], one.killed = true, true
  process.exec { "kill", "-9", pid:match "%d+" }
  return true
end

---@param opts table engine, place, processes, turns, kills, pause: seconds between two kills
---@return integer holders how many were killed while they held the lock
function M.run(opts)
  local dir <close> = fs.tempdir()
  opts.dir, opts.journal, opts.luapool = dir.path, dir .. "/journal", os.getenv "LUAPOOL"
  fs.write(opts.journal, "")
  M.killed = {}
  local state, members = {}, {}
  for i = 1, opts.processes do members[i] = task.spawn(member, opts, i, state) end
  local kills = 0
  local killer <close> = task.every(opts.pause, function()
    if kills == opts.kills then return end
    if kill_one(opts, state, kills % 2) then kills = kills + 1 end
  end)
  task.gather(members)
  killer:close()
  local ended, holders = read(opts.journal)
  for i = 1, opts.processes do assert(ended[tostring(i)] == opts.turns, i) end
  return holders
end

return M
