-- Processes that take turns with a lock, some of which are killed. `make locks` is the long form.

local etcd_server = require "tests.support.etcd_server"
local fs = require "luapool.fs"
local redis_server = require "tests.support.redis_server"
local storm = require "tests.support.lock_storm"

local whole = os.getenv "LOCK_STORM" ~= nil
local PROCESSES, TURNS, PAUSE, KILLS = 5, 20, 0.3, 3
if whole then PROCESSES, TURNS, PAUSE, KILLS = 50, 1000, 1, 50 end

-- `slow`: how much longer it takes until a death is over.
local function run(engine, place, slow)
  local began = os.time()
  local holders = storm.run {
    engine = engine, place = place, processes = PROCESSES, turns = TURNS,
    pause = PAUSE * slow, kills = KILLS,
  }
  if not whole then return end
  local killed = 0
  for _ in pairs(storm.killed) do killed = killed + 1 end
  print(("# %s: %d turns, %d killed, %d of them held the lock; %d s"):format(engine,
    PROCESSES * TURNS, killed, holders, os.time() - began))
end

describe("a lock has never two holders though some who want it are killed", function()
  it("on a file", function()
    local dir <close> = fs.tempdir()
    run("file", dir .. "/lock", 1)
  end)

  it("on Redis", function()
    local server <close> = redis_server.start()
    run("redis", server.url, 1)
  end)

  it("on etcd", function()
    local server <close> = etcd_server.start()
    run("etcd", server.url, 3) -- one that waited when it was killed is waited for, too
  end)
end)
