-- cli.config: the settings of a job, its ctx.config: a file of YAML, and over it what `--set` says.

local cli = require "cli.options"

local M = {}

-- The table of a settings file, {} when there is none.
local function read(path, read_file)
  if not path then return {} end
  local text = read_file(path)
  local yaml = require "luapool.yaml"
  local ok, config = pcall(yaml.load, text)
  if not ok then
    local line, what = tostring(config):match("line (%d+), column %d+: (.*)")
    cli.wrong("%s:%s not YAML: %s", path, line and line .. ":" or "", what or tostring(config))
  end
  if config == nil or config == yaml.null then return {} end
  if type(config) ~= "table" then
    cli.wrong("%s: settings must be a table of names and values, got a %s", path, type(config))
  end
  return config
end

-- The value of a setting on the command line, as YAML has it: a number, a boolean, a list in
-- brackets; any other text is itself.
local function value_of(text)
  if text == "" then return text end
  local ok, value = pcall(require("luapool.yaml").load, text)
  if not ok or type(value) == "table" and not text:find "^%s*[%[{]" then return text end
  return value
end

-- Sets one value: "name=value", or "name.inner=value" for a table in the settings.
local function set(config, word)
  local key, text = word:match "^([^=]+)=(.*)$"
  if not key or key:find "^%." or key:find "%.$" or key:find "%.%." then
    cli.wrong("option '--set' must be KEY=VALUE, got '%s'", word)
  end
  local at, last = config, nil
  for name in key:gmatch "[^.]+" do
    if last then
      if at[last] == nil then at[last] = {} end
      at = at[last]
      if type(at) ~= "table" then
        cli.wrong("--set %s: '%s' is no table in the settings", word, last)
      end
    end
    last = math.tointeger(tonumber(name)) and at[tonumber(name)] ~= nil and tonumber(name) or name
  end
  at[last] = value_of(text)
end

--- The settings of a job.
---@param path string|nil the file
---@param words string[]|nil what `--set` was given
---@param read_file fun(path: string): string
---@return table
function M.load(path, words, read_file)
  local config = read(path, read_file)
  for _, word in ipairs(words or {}) do set(config, word) end
  return config
end

return M
