-- cli.new: luapool new NAME: writes NAME.lua, a job to start from, and beside it .luarc.json, by
-- which lua-language-server finds the types of luapool's modules.

local cli = require "cli.options"
local fs = require "luapool.fs.core"
local json = require "luapool.json"

local M = {
  usage = "new NAME",
  summary = "write NAME.lua, a job to start from",
  about = "Writes NAME.lua, a job to start from, and beside it .luarc.json, by which editors find\n"
    .. "the types of luapool's modules. Files that are there already stay as they are.",
  options = { cli.help },
  status = { { 0, "written" }, { 2, "wrong usage, or the file exists already" } },
  examples = { { "luapool new titles && luapool run titles.lua", "a first job, and its run" } },
}

local template = [[
#!/usr/bin/env -S luapool run
-- @NAME@: the title of each page.    luapool run @NAME@.lua -p 4

local http = require "luapool.http"
local retry = require "luapool.retry"

---@type luapool.Job
local job = {
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

return job
]]

-- Where the types are, from the program's folder: of an installed one, of one in a build tree.
local TYPES = { "../share/luapool/types", "../docs/types" }

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local function write(path, text)
  local file, message = io.open(path, "w")
  if not file then cli.wrong("cannot write %s", message) end
  file:write(text)
  file:close()
end

-- The folder of the types that belong to this program, or nil when it has none.
local function types()
  local folder = fs.realpath("/proc/self/exe"):match("^(.*)/")
  for _, place in ipairs(TYPES) do
    local path = fs.realpath(folder .. "/" .. place)
    if path then return path end
  end
end

-- The settings of lua-language-server. Those that are there already stay as they are.
local function write_settings(path)
  if exists(path) then return end
  write(path, json.encode({
    ["runtime.version"] = "Lua 5.4",
    ["workspace.library"] = json.array { types() },
    ["workspace.checkThirdParty"] = false,
  }, { indent = 2, sort_keys = true }) .. "\n")
end

function M.run(_, positional)
  local name = positional[1] or cli.wrong("which NAME? luapool new NAME")
  if positional[2] then cli.wrong("one NAME at a time, got '%s' too", positional[2]) end
  local path = name:gsub("%.lua$", "") .. ".lua"
  local base = path:match "([^/]*)%.lua$"
  if base:find "^%.*$" or base:find '[%c"\\]' then
    cli.wrong("'%s' cannot be the name of a job", name)
  end
  if exists(path) then cli.wrong("%s exists already", path) end
  write(path, (template:gsub("@NAME@", (base:gsub("%%", "%%%%")))))
  write_settings((path:match("^(.*/)") or "") .. ".luarc.json")
  print(("Wrote %s. Now: luapool run %s"):format(path, path))
  return 0
end

return M
