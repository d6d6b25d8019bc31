-- Shows a generator that fetches: coroutine.wrap as in any Lua, but what it calls may wait; whoever
-- uses it sees only what it yields, and other tasks go on meanwhile.
--
--     luapool run generator.lua -- https://example.com/page-1.html

local http = require "luapool.http"
local task = require "luapool.task"

-- The pages of a series, each with a link "next" to the one after it.
local function pages(url)
  return coroutine.wrap(function()
    while url do
      local html = http.get(url):raise_for_status():html()
      coroutine.yield(html:first("title"):text())
      local following = html:first("//a[@rel='next']/@href")
      url = following and html:resolve(following)
    end
  end)
end

-- Another task, which goes on while the generator waits.
local turns = 0
local ticking = task.spawn(function()
  while true do
    turns = turns + 1
    task.yield()
  end
end)

for title in pages((...) or error("which page? luapool run generator.lua -- URL", 0)) do
  print(title)
end
ticking:cancel()
print(turns > 4 and "another task went on meanwhile" or "nothing else ran")
