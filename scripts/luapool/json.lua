-- luapool.json: encode and decode. The work is done in bindings/json/json.c and json_encode.c.

local core = require "luapool.json.core"
local options = require "luapool.internal.options"

--- JSON texts to values and back. Integers stay exact both ways, in 64 bits.
---
--- ```lua
--- print(json.encode { id = 9007199254740993 }) --> {"id":9007199254740993}
--- ```
---@kind json the text is no JSON: fields `line`, `column` and `position` (in bytes); or the value
--- has no form in JSON: field `path`
---@class luapool.json
local M = {}

--- JSON's null. It is true in conditions, stays in tables and travels to workers as itself.
---
--- ```lua
--- print(json.decode("[null]")[1] == json.null, json.encode(json.null)) --> true null
--- print(json.null) --> null
--- ```
---@type lightuserdata
M.null = core.null

local check_encode = options.define("json.encode", { indent = "indent", sort_keys = "boolean" })

---@class luapool.json.EncodeOptions
---@field indent? integer spaces for each level; default: all on one line
---@field sort_keys? boolean objects in the order of their names; default: in any order

--- Returns a value as JSON text. A table with list elements is a list, any other an object; an
--- empty one is `{}` unless `json.array` marked it. Floats keep their point.
---
--- ```lua
--- print(json.encode({ b = { 1, 2.0 }, a = "x" }, { sort_keys = true })) --> {"a":"x","b":[1,2.0]}
--- print(#json.encode({ a = 1 }, { indent = 2 })) --> 12
--- ```
---@param value any
---@param opts? luapool.json.EncodeOptions
---@return string
---@raises json field `path`: what has no form in JSON
function M.encode(value, opts)
  if opts == nil then return core.encode(value) end
  opts = check_encode(opts)
  return core.encode(value, opts.indent, opts.sort_keys)
end

local check_decode = options.define("json.decode", { numbers = { "float", "exact" },
  null = "no" })

---@class luapool.json.DecodeOptions
---@field numbers? "float"|"exact" what becomes of an integer beyond 64 bits and of a number beyond
--- all floats, as 1e400: "float" (unless said) takes the nearest float or `math.huge`, "exact"
--- refuses the text
---@field null? false leaves out what is null: such fields of objects and items of lists are not
--- there, and a text that is null gives nil

--- Returns the value of a JSON text. Objects and lists are tables, null is `json.null`, unless the
--- option `null` is false. Half a surrogate pair is read as U+FFFD.
---
--- ```lua
--- print(json.decode('{"list": [1, 2.5]}').list[2]) --> 2.5
--- local ok, e = pcall(json.decode, "[1,")
--- print(e.kind, e.line, e.column) --> json 1 3
--- local page = json.decode('{"next": null, "ids": [1, null, 2]}', { null = false })
--- print(page.next, #page.ids) --> nil 2
--- print(json.decode "18446744073709551615") --> 1.844674407371e+19
--- print(pcall(json.decode, "18446744073709551615", { numbers = "exact" }) == false) --> true
--- ```
---@param text string
---@param opts? luapool.json.DecodeOptions
---@return any
---@raises json fields `line`, `column` and `position`
function M.decode(text, opts)
  if opts == nil then return core.decode(text) end
  opts = check_decode(opts)
  return core.decode(text, opts.numbers == "exact", opts.null == false)
end

--- Marks a list, so that it is encoded as `[]` also when it is empty. Without an argument it
--- makes a new one.
---
--- ```lua
--- print(json.encode {}, json.encode(json.array {}), json.encode(json.array())) --> {} [] []
--- ```
---@generic T: table
---@param list? T
---@return T
function M.array(list)
  return core.array(list)
end

return M
