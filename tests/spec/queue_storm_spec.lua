-- The storm on Redis in short; `make storm` lets all of it rage.

local queue_storm = require "tests.support.queue_storm"

describe("luapool.queue on Redis", function()
  it("loses nothing and ends nothing twice in a storm", function()
    local seen = queue_storm.run { jobs = 1000, seconds = 8, mains = 2, workers = 2 }
    assert.is_true(seen.runs >= 2000)
    for _, name in ipairs { "worker", "main", "group", "stop", "putter", "server", "cut", "lose",
      "stall" } do
      assert.is_true(seen[name] > 0, name)
    end
  end)
end)
