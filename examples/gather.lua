-- Shows task.gather: many pages fetched at once by one process, results in the order of the list;
-- one page that fails either ends them all or, with `return_errors`, stands beside the others.
--
--     luapool run gather.lua -- https://example.com/ https://example.org/

local http = require "luapool.http"
local task = require "luapool.task"

local fetches = {}
for i, url in ipairs { ... } do
  fetches[i] = function() return #http.get(url):raise_for_status().body end
end

-- The first error cancels the rest and is raised here.
local ok, sizes = pcall(task.gather, fetches)
print(ok and "all came" or "one failed: " .. sizes.kind)

-- With return_errors nothing is raised: each place has a result or an error.
local results, errors = task.gather(fetches, { return_errors = true })
for i = 1, results.n do
  print(i, results[i] or errors[i].kind)
end
