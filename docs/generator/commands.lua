-- Reads the subcommands out of scripts/cli: their tables of usage, text and options are data, so a
-- module is loaded with a `require` that gives nothing of use, but for the modules that read such
-- tables. Plain Lua 5.4.

local M = {}

-- Stands for every module and for whatever is asked of it.
local nothing = setmetatable({}, {})
getmetatable(nothing).__index = function() return nothing end
getmetatable(nothing).__call = function() return nothing end

local REAL = { ["cli.options"] = "scripts/cli/options.lua",
  ["luapool.internal.options"] = "scripts/luapool/internal/options.lua" }
local loaded = {}

local function load_module(path)
  local function stub(name)
    if REAL[name] and not loaded[name] then loaded[name] = load_module(REAL[name]) end
    return loaded[name] or nothing
  end
  return assert(loadfile(path, "t", setmetatable({ require = stub }, { __index = _G })))()
end

-- cli.options itself, whose functions tell what stands in a row of options.
local cli = load_module(REAL["cli.options"])

-- The names of the subcommands, as scripts/cli/main.lua lists them.
local function names()
  local file <close> = assert(io.open "scripts/cli/main.lua")
  local list = assert(file:read("a"):match("local commands = {(.-)}"), "no list of commands")
  return list:gmatch('"([%w_]+)"')
end

---@class docs.Option
---@field short string|false
---@field long string
---@field value string|false   the name of its value
---@field words string[]|nil   its values, when it is one of a few words
---@field is_file boolean      its value is the name of a file
---@field name string          "-p, --processes N"
---@field text string

---@class docs.Command
---@field name string
---@field usage string      "run FILE [options]"
---@field summary string
---@field text string
---@field verbs { [1]: string, [2]: string|false, [3]: string }[]
---@field options docs.Option[]
---@field status { [1]: integer, [2]: string }[]
---@field examples { [1]: string, [2]: string }[]
---@field completes string|nil

local FILES = { FILE = true, SOCKET = true, FOLDER = true, DIR = true, PATH = true }

local function option(row)
  return { short = row[1], long = row[2], value = row[3], name = cli.name(row),
    text = cli.text(row), words = type(row[4]) == "table" and row[4] or nil,
    is_file = FILES[row[3]] or false }
end

--- All subcommands, in the order of the program's help.
---@return docs.Command[]
function M.all()
  local list = {}
  for name in names() do
    local command = load_module(("scripts/cli/%s.lua"):format(name))
    local options = {}
    for i, row in ipairs(command.options) do options[i] = option(row) end
    local text = command.about or command.summary:gsub("^%l", string.upper) .. "."
    table.insert(list, { name = name, usage = command.usage, summary = command.summary, text = text,
      verbs = command.verbs or {}, options = options, status = command.status or {},
      examples = command.examples or {}, completes = command.completes })
  end
  return list
end

--- What all commands have in common.
---@return cli.Topic[]
function M.topics() return load_module "scripts/cli/topics.lua" end

return M
