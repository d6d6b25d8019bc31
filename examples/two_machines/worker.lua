-- Shows a crawl that several machines share: each runs this file in a folder of its own, and all
-- have one Redis. A page that is done adds those that it links to, in the same step; `unique` lets
-- each page in once. The kind `ask` shows a rate that all machines keep together.
--
--     luapool serve worker.lua -p 2 -- redis://localhost/0?ns=crawl folder

local fs = require "luapool.fs"
local http = require "luapool.http"

local redis, folder = ...

local DAY = 86400

local function page(url, _, ctx)
  local res = http.get(url):raise_for_status()
  local doc = res:html()
  local title = doc:css("title")[1]
  fs.append(folder .. "/pages.txt", ("%s\t%s\n"):format(url, title and title:text() or ""))
  local site = url:match "^%a+://[^/]+/"
  for _, link in ipairs(doc:links()) do
    if link:sub(1, #site) == site then
      ctx:add("page", link, { unique = link, unique_for = DAY })
    end
  end
end

return {
  queue = redis,
  kinds = {
    page = { process = page, retry = { attempts = 3, wait = 1 }, concurrency = 20 },
    ask = {
      process = function(n)
        fs.append(folder .. "/asked.txt", n .. "\n")
        return n
      end,
      rate = { 10, per = 1 }, -- at most ten begin in any second, on all machines together
      result_ttl = 600,
    },
  },
}
