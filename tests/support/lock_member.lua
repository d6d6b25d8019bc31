-- One of many processes that take turns with a lock: see lock_storm.lua. It writes the begin and
-- the end of each turn, with its fencing token, into a journal that all share.
--
-- Once in a hundred turns it takes its time, so that it can be killed meanwhile.
--
--     luapool run lock_member.lua -- ENGINE PLACE JOURNAL NAME FIRST LAST

local errors = require "luapool.error"
local lock = require "luapool.lock"
local redis = require "luapool.redis"
local task = require "luapool.task"

local engine, place, path, name, first, last = table.unpack(arg)

local make = {
  file = function() return lock.file(place) end,
  redis = function() return lock.redis(redis.connect(place), "storm", { ttl = 2 }) end,
  etcd = function() return lock.etcd { endpoints = place, name = "storm", ttl = 2 } end,
}

local mine = make[engine]()
local journal = assert(io.open(path, "a"))
journal:setvbuf "no"

local function take_turn(turn)
  local held <close> = mine:hold()
  journal:write(("begin %d %s %d\n"):format(held.token, name, turn))
  task.sleep(turn % 100 == 10 and 0.05 or 0)
  journal:write(("end %d %s %d\n"):format(held.token, name, turn))
end

-- On a busy machine a process may stand still for longer than its lease; it is told so.
for turn = math.tointeger(first), math.tointeger(last) do
  local ok, e
  repeat
    ok, e = pcall(take_turn, turn)
    if not ok and not errors.is(e, "lost") then error(e, 0) end
    if not ok then journal:write(("lost %d %s %d\n"):format(e.token, name, turn)) end
  until ok
end
