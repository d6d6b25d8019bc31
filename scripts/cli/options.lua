-- cli.options: one table of options drives parsing and --help. A row is
--     { "p", "processes", "N", "count", "worker processes", "usable cores" }
-- short name (or false), long name, the value's name in the help (or false: a flag), what it may
-- be (a rule of luapool.options, or "string"), the help, and what it is by default where that is
-- worth telling. A row's value is stored under its long name with "_" for "-"; where the row has
-- `many = true`, a list of them.

local options = require "luapool.internal.options"

local M = {}

M.help = { "h", "help", false, "flag", "show this help" }

---@class cli.usage: a wrong use of the command line; raised as a table
---@field message string
local Usage = { __name = "cli.usage", __tostring = function(self) return self.message end }

--- Raises a wrong use: the program prints the message and ends with status 2.
---@param message string
---@param ... any for string.format
function M.wrong(message, ...)
  error(setmetatable({ message = message:format(...) }, Usage), 0)
end

---@param e any
---@return boolean
function M.is_wrong(e) return getmetatable(e) == Usage end

local function index(rows)
  local by_name, long = {}, {}
  for _, row in ipairs(rows) do
    if row[1] then by_name["-" .. row[1]] = row end
    by_name["--" .. row[2]] = row
    table.insert(long, "--" .. row[2])
  end
  return by_name, long
end

local function find(by_name, long, name)
  local row = by_name[name]
  if row then return row end
  local hint = options.hint(name, long)
  M.wrong("unknown option '%s'%s", name, hint ~= "" and hint or "; see --help")
end

-- The text that stood on the command line as the value that the row wants.
local function convert(row, name, text)
  local want = row[4]
  if want == "string" then return text end
  local expected, fits = options.rule(want)
  local value = want == "size" and text or type(want) == "string" and tonumber(text) or text
  if not fits(value) then M.wrong("option '%s' must be %s, got '%s'", name, expected, text) end
  return want == "size" and options.size(text) or value
end

-- Splits "--name=value", "-nvalue" and plain names.
local function split(word)
  local name, value = word:match("^(%-%-[^=]+)=(.*)$")
  if name then return name, value end
  if word:match("^%-[^-].") then return word:sub(1, 2), word:sub(3) end
  return word, nil
end

local function store(values, row, value)
  local name = row[2]:gsub("-", "_")
  if not row.many then
    values[name] = value
    return
  end
  values[name] = values[name] or {}
  table.insert(values[name], value)
end

--- Parses the words from `first` on; options may stand anywhere before `--`.
---@param rows table[] the options
---@param words string[]
---@param first integer
---@return table<string, any> values
---@return string[] positional those before `--`
---@return string[] rest those after it
function M.parse(rows, words, first)
  local by_name, long = index(rows)
  local values, positional = {}, {}
  local at = first
  while at <= #words and words[at] ~= "--" do
    local word = words[at]
    if word:match("^%-.") then
      local name, value = split(word)
      local row = find(by_name, long, name)
      if row[3] and not value then
        at = at + 1
        value = words[at] or M.wrong("option '%s' needs a value: %s", name, row[3])
      elseif value and not row[3] then
        M.wrong("option '%s' takes no value", name)
      end
      store(values, row, row[3] == false or convert(row, name, value))
    else
      table.insert(positional, word)
    end
    at = at + 1
  end
  return values, positional, table.move(words, at + 1, #words, 1, {})
end

-- The words that an option may be, with the default marked: "auto (default), on or off".
local function choices(words, default)
  local list = {}
  for i, word in ipairs(words) do list[i] = word == default and word .. " (default)" or word end
  return #list == 1 and list[1]
    or table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
end

-- A text that explains each of the words names them itself.
local function names_all(text, words)
  for _, word in ipairs(words) do
    if not text:find(word, 1, true) then return false end
  end
  return true
end

--- The help of an option: what it is, its values, its default.
---@param row table
---@return string
function M.text(row)
  local text, want, default = row[5], row[4], row[6]
  if type(want) == "table" and not names_all(text, want) then
    return text .. ": " .. choices(want, default)
  end
  local least, most = options.rule(want):match "from (%-?%d+) to (%d+)$"
  if most and #most < 8 then text = ("%s, %s to %s"):format(text, least, most) end
  return default and ("%s (default: %s)"):format(text, default) or text
end

--- An option as it is written: "-p, --processes N".
---@param row table
---@return string
function M.name(row)
  local short = row[1] and "-" .. row[1] .. ", " or ""
  return short .. "--" .. row[2] .. (row[3] and " " .. row[3] or "")
end

return M
