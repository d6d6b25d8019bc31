-- luapool.yaml: load and dump, over lyaml (YAML 1.1 by libyaml). One null for JSON and YAML:
-- `~` and an empty value are json.null, in mappings too, so that nothing is lost on the way.

local guard = require "luapool.internal.yaml_guard"
local json = require "luapool.json"
local lp_error = require "luapool.error"
local number = require "luapool.internal.number"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- YAML texts (version 1.1, by libyaml) to values and back. A word is an integer when YAML 1.1
--- calls it one: `0x1F`, `017` (octal), `0b11`, `1_000`; `08` is a string. A decimal integer
--- beyond 64 bits becomes a float, one in another base stays a string, because it is an address
--- or a hash.
---
--- ```lua
--- local config = yaml.load "urls: [a, b]\nretries: 3\n"
--- print(config.urls[2], config.retries) --> b 3
--- ```
---@kind yaml the text is no YAML: fields `line` and `column`; or the value has no form in YAML:
--- field `path`
---@class luapool.yaml
local M = {}

--- Stands for `~` and for an empty value. It is `json.null`.
---
--- ```lua
--- print(yaml.load("name:").name == yaml.null, yaml.null == json.null) --> true true
--- ```
---@type lightuserdata
M.null = json.null

-- A part of lyaml, which is a package of its own.
local function of_lyaml(name)
  local ok, part = pcall(require, name)
  if ok then return part end
  error(("luapool.yaml needs lyaml: install the package lua-yaml (Debian), or luarocks install "
    .. "lyaml (%s)"):format(tostring(part):match "^[^\n]*"), 0)
end

local explicit = of_lyaml "lyaml.explicit"
local functional = of_lyaml "lyaml.functional"
local implicit = of_lyaml "lyaml.implicit"
local lyaml = of_lyaml "lyaml"
local libyaml = of_lyaml "yaml"

-- The integers of YAML 1.1: what the word looks like, and the base of its digits.
local INTEGERS = {
  { "^([+-]?)(0)$", 10 },
  { "^([+-]?)([1-9][%d_]*)$", 10 },
  { "^([+-]?)0b([01_]+)$", 2 },
  { "^([+-]?)0([0-7_]+)$", 8 },
  { "^([+-]?)0x([%x_]+)$", 16 },
}

-- The digits of a word that is written as an integer: sign, digits, base; nil for any other word.
local function digits_of(text)
  for _, row in ipairs(INTEGERS) do
    local sign, digits = text:match(row[1])
    digits = digits and digits:gsub("_", "")
    if digits and digits ~= "" then return sign, digits, row[2] end
  end
end

-- A decimal integer of more than 64 bits becomes a float. In another base it stays text: it is an
-- address or a hash, and a rounded one is of no use.
local function read_integer(text)
  local sign, digits, base = digits_of(text)
  if not sign then return nil end
  if base == 10 then return math.tointeger(tonumber(sign .. digits)) or tonumber(sign .. digits) end
  local value = 0
  for digit in digits:gmatch "." do
    if value > (math.maxinteger - tonumber(digit, base)) // base then return text end
    value = value * base + tonumber(digit, base)
  end
  return sign == "-" and -value or value
end

-- lyaml's own list of what a plain word may mean, with our null and our integers.
local read_plain = functional.anyof {
  function(text)
    if implicit.null(text) ~= nil then return M.null end
  end,
  read_integer,
  implicit.float, implicit.bool, implicit.inf, implicit.nan,
  implicit.sexagesimal, implicit.sexfloat,
  functional.id,
}

local TAG = "tag:yaml.org,2002:"
local READ_TAGGED = {
  [TAG .. "bool"] = explicit.bool, [TAG .. "float"] = explicit.float, [TAG .. "int"] = explicit.int,
  [TAG .. "str"] = explicit.str,
  [TAG .. "null"] = function() return M.null end,
}

local function fail(where, message, fields)
  lp_error.raise("yaml", where .. ": " .. message, fields)
end

local function place_in(text, at)
  local before = text:sub(1, at - 1)
  local _, breaks = before:gsub("\n", "")
  return breaks + 1, #before:match("[^\n]*$") + 1
end

-- libyaml tells the place of its complaint in the text of its error, unless it is about a byte
-- that no document may hold. lyaml drops it, so ask again.
local function syntax_error(text)
  local ok, message = pcall(function()
    for event in libyaml.parser(text) do
      if event.type == "STREAM_END" then return end
    end
  end)
  if ok then return nil end
  local what = message:match("^(.-) at document: ") or message
  local line, column = message:match("line: (%d+), column: (%d+)")
  if line then return what, math.tointeger(line), math.tointeger(column) end
  local _, bad = utf8.len(text)
  bad = bad or text:find("[%z\1-\8\11\12\14-\31\127]")
  if bad then return what, place_in(text, bad) end
  return what
end

local check_load = options.define("yaml.load", { all = "boolean" })

---@class luapool.yaml.LoadOptions
---@field all? boolean return a list of the values of all documents

--- Returns the value of the first document of a text.
---
--- ```lua
--- print(yaml.load "1", #yaml.load("a\n--- b\n", { all = true })) --> 1 2
--- local ok, e = pcall(yaml.load, "a: [1")
--- print(e.kind, e.line ~= nil) --> yaml true
--- ```
---@param text string
---@param opts? luapool.yaml.LoadOptions
---@return any
---@raises yaml fields `line` and `column`
function M.load(text, opts)
  opts = check_load(opts)
  usage.argument("yaml.load", 1, text, "string")
  local safe, restore = guard.text(text)
  local ok, value = pcall(lyaml.load, safe, {
    all = opts.all, implicit_scalar = read_plain, explicit_scalar = READ_TAGGED,
  })
  if ok then return restore(value) end
  local what, line, column = syntax_error(text)
  if not what then
    line, column, what = tostring(value):match("^(%d+):(%d+): (.*)$")
    line, column, what = math.tointeger(line), math.tointeger(column), what or tostring(value)
  end
  local place = line and ("line %d, column %d: "):format(line, column) or ""
  fail("yaml.load", place .. what, { line = line, column = column })
end

local function place_of(path)
  return "value" .. table.concat(path)
end

local function float(value)
  if value ~= value then return ".nan" end
  if value == math.huge then return ".inf" end
  if value == -math.huge then return "-.inf" end
  for digits = 15, 17 do
    local text = number.plain(("%." .. digits .. "g"):format(value))
    if tonumber(text) == value then
      return text:find(".", 1, true) and text or (text:gsub("^%-?%d+", "%0.0"))
    end
  end
end

-- A string that would be read as something else, here or by another reader, is quoted. The key
-- "<<" would merge another mapping.
local function style_of(text)
  if text:find "%z" then return "DOUBLE_QUOTED" end
  if text == "<<" then return "SINGLE_QUOTED" end
  if read_plain(text) ~= text or digits_of(text) then return "SINGLE_QUOTED" end
  local printable = not text:find("[^\n\t\x20-\x7E\x80-\xFF]")
  if text:find("\n", 1, true) and not text:find("^%s") and printable then return "LITERAL" end
  return "PLAIN"
end

local write_value

local SCALARS = {
  boolean = tostring,
  number = function(value)
    return math.type(value) == "integer" and tostring(value) or float(value)
  end,
  string = function(value, path)
    if utf8.len(value) then return value, style_of(value) end
    fail("yaml.dump", place_of(path) .. ": invalid UTF-8 in a string", { path = place_of(path) })
  end,
}

local function write_scalar(emit, value, path)
  local to_text = value ~= M.null and SCALARS[type(value)]
  if not to_text and value ~= M.null then
    local message = ("%s: a %s has no form in YAML"):format(place_of(path), type(value))
    fail("yaml.dump", message, { path = place_of(path) })
  end
  local text, style = "~", "PLAIN"
  if to_text then text, style = to_text(value, path) end
  emit {
    type = "SCALAR", value = text, style = style or "PLAIN",
    plain_implicit = true, quoted_implicit = true,
  }
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
    return type(a) < type(b) or type(a) == type(b) and tostring(a) < tostring(b)
  end)
  return keys
end

local function write_list(emit, list, path, open)
  emit { type = "SEQUENCE_START", style = "BLOCK" }
  for i, value in ipairs(list) do
    path[#path + 1] = ("[%d]"):format(i)
    write_value(emit, value, path, open)
    path[#path] = nil
  end
  emit { type = "SEQUENCE_END" }
end

local function write_map(emit, map, path, open)
  emit { type = "MAPPING_START", style = "BLOCK" }
  for _, key in ipairs(sorted_keys(map)) do
    path[#path + 1] = "." .. tostring(key)
    write_scalar(emit, key, path)
    write_value(emit, map[key], path, open)
    path[#path] = nil
  end
  emit { type = "MAPPING_END" }
end

local function is_list(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n == #t and (n > 0 or getmetatable(t) == getmetatable(json.array {}))
end

function write_value(emit, value, path, open)
  if type(value) ~= "table" then return write_scalar(emit, value, path) end
  if open[value] then
    fail("yaml.dump", place_of(path) .. ": a table that contains itself", { path = place_of(path) })
  end
  open[value] = true
  local write = is_list(value) and write_list or write_map
  write(emit, value, path, open)
  open[value] = nil
end

--- Returns a value as a YAML document, mappings in the order of their keys. An empty table is `{}`
--- unless `json.array` marked it.
---
--- ```lua
--- print((yaml.dump { name = "x", list = { 1, 2 } }:gsub("\n", ";"))) --> list:;- 1;- 2;name: x;
--- print(select(2, pcall(yaml.dump, { f = print })).path) --> value.f
--- ```
---@param value any
---@return string
---@raises yaml field `path`: what has no form in YAML
function M.dump(value)
  local emitter = libyaml.emitter()
  emitter.emit { type = "STREAM_START", encoding = "UTF8" }
  emitter.emit { type = "DOCUMENT_START", implicit = true }
  write_value(emitter.emit, value, {}, {})
  emitter.emit { type = "DOCUMENT_END", implicit = true }
  local _, text = emitter.emit { type = "STREAM_END" }
  return text
end

return M
