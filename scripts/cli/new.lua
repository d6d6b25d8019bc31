-- cli.new: luapool new NAME: writes NAME.lua, a job to start from.

local cli = require "cli.options"

local M = {
  usage = "new NAME",
  summary = "write NAME.lua, a job to start from",
  options = { cli.help },
}

local template = [[
#!/usr/bin/env -S luapool run
-- @NAME@: the title of each page.    luapool run @NAME@.lua -p 4

local http = require "luapool.http"
local retry = require "luapool.retry"

return {
  -- What there is to do: a list, or a function that returns an iterator, such as
  --   items = function(ctx) return io.lines("urls.txt") end,
  items = { "https://example.com/", "https://example.org/" },

  -- Runs in a worker, many at a time in each; it may wait as long as it likes.
  fetch = function(url)
    return http.get(url):raise_for_status()
  end,

  -- What it returns becomes a line of the output; nil writes nothing.
  process = function(response, url)
    local title = response:html():first("title")
    return { url = url, title = title and title:text() }
  end,

  -- How fetch is tried again. What fails in the end is listed in @NAME@.jsonl.failed.jsonl.
  retry = { attempts = 5, wait = retry.random_exponential { multiplier = 0.5, max = 30 } },

  output = "@NAME@.jsonl",
}
]]

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

function M.run(_, positional)
  local name = positional[1] or cli.wrong("which NAME? luapool new NAME")
  local path = name:gsub("%.lua$", "") .. ".lua"
  if exists(path) then cli.wrong("%s exists already", path) end
  local file, message = io.open(path, "w")
  if not file then cli.wrong("cannot write %s", message) end
  file:write((template:gsub("@NAME@", (path:match("([^/]*)%.lua$")))))
  file:close()
  print(("Wrote %s. Now: luapool run %s"):format(path, path))
  return 0
end

return M
