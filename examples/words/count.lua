-- Shows a chord: a thousand parts are worked on side by side, in whatever processes there are, and
-- merged at the end. All of it is put in one step: either the whole flow is there or nothing.
--
--     luapool run count.lua -- work.db 1000

local queue = require "luapool.queue"

local path, parts = arg[1], math.tointeger(arg[2])

local q <close> = queue.open("sqlite:" .. path)
local flow = { on_done = { "merge" } }
for i = 1, parts do
  flow[i] = { "count", ("one two three "):rep(i % 3 + 1) }
end
local _, last = q:flow(flow)
local found = q:result(last, { timeout = 300 })
print(("%d words in %d parts"):format(found.words, found.parts))
