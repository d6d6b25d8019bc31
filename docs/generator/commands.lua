-- Reads the subcommands out of scripts/cli: their tables of usage, text and options are data, so a
-- module is loaded with a `require` that gives nothing of use. Plain Lua 5.4.

local M = {}

-- Stands for every module and for whatever is asked of it.
local nothing = setmetatable({}, {})
getmetatable(nothing).__index = function() return nothing end
getmetatable(nothing).__call = function() return nothing end

local HELP = { "h", "help", false, "flag", "show this help" }

local function load_command(name)
  local function stub(module) return module == "cli.options" and { help = HELP } or nothing end
  local environment = setmetatable({ require = stub }, { __index = _G })
  return assert(loadfile(("scripts/cli/%s.lua"):format(name), "t", environment))()
end

-- The names of the subcommands, as scripts/cli/main.lua lists them.
local function names()
  local file <close> = assert(io.open "scripts/cli/main.lua")
  local list = assert(file:read("a"):match("local commands = {(.-)}"), "no list of commands")
  return list:gmatch('"([%w_]+)"')
end

---@class docs.Command
---@field name string
---@field usage string      "run FILE [options]"
---@field summary string
---@field text string
---@field options { short: string|false, long: string, value: string|false, text: string }[]

--- All subcommands, in the order of the program's help.
---@return docs.Command[]
function M.all()
  local list = {}
  for name in names() do
    local command = load_command(name)
    local options = {}
    for i, row in ipairs(command.options) do
      options[i] = { short = row[1], long = row[2], value = row[3], text = row[5] }
    end
    local text = command.about or command.summary:gsub("^%l", string.upper) .. "."
    table.insert(list, { name = name, usage = command.usage, summary = command.summary, text = text,
      options = options })
  end
  return list
end

return M
