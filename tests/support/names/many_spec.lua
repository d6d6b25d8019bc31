-- Hundreds and thousands of look-ups at once. tests/cli/names.sh runs this file in a namespace of
-- its own, where a look-up has a long time, so that none ends because this machine is busy.

local dns = require "luapool.dns"
local task = require "luapool.task"

describe("many look-ups", function()
  it("hold up no good one when two hundred are dead", function()
    local dead = {}
    for i = 1, 200 do dead[i] = task.spawn(pcall, dns.lookup, ("dead%d.test"):format(100 + i)) end
    task.yield()
    local began = task.now()
    assert.are.same({ "127.0.0.1" }, dns.lookup "good6.test")
    local took = task.now() - began
    assert.is_true(took < 0.5, took) -- 0.075 where nothing else runs
    for i = 1, 200 do
      dead[i]:cancel()
      dead[i]:result()
    end
  end)

  it("end quickly when two thousand do not exist, also behind dead ones", function()
    local dead = {}
    for i = 1, 50 do dead[i] = task.spawn(pcall, dns.lookup, ("dead%d.test"):format(400 + i)) end
    local names = {}
    for i = 1, 2000 do names[i] = ("none%d.test"):format(1000 + i) end
    local began, missing = task.now(), 0
    for _, _, e in task.map(names, dns.lookup, { concurrency = 2000, return_errors = true }) do
      if e.code == "EAI_NONAME" then missing = missing + 1 end
    end
    assert.are.equal(2000, missing)
    local took = task.now() - began
    assert.is_true(took < 20, took) -- 0.6 where nothing else runs
    for i = 1, 50 do
      dead[i]:cancel()
      dead[i]:result()
    end
  end)
end)
