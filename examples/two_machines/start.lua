-- Shows how a crawl over several machines is begun, and how long it takes: the first page is put,
-- and the crawl is over when no job of its kind is left.
--
--     luapool run start.lua -- redis://localhost/0?ns=crawl https://example.com/

local queue = require "luapool.queue"
local task = require "luapool.task"

local q <close> = queue.open(arg[1])
q:put("page", arg[2], { unique = arg[2], unique_for = 86400 })

local pages
repeat
  task.sleep(0.1)
  pages = q:stats().page
until pages.waiting + pages.scheduled + pages.running == 0
print(("%d pages, %d failed"):format(pages.done, pages.failed))
