-- luapool.json: encode and decode. The work is done in bindings/json/json.c and json_encode.c.

local core = require "luapool.json.core"
local options = require "luapool.internal.options"

local M = {}

--- JSON's null: it is true in conditions, survives in tables and travels to workers as itself.
M.null = core.null

local ENCODE = { indent = "integer", sort_keys = "boolean" }

--- A value as JSON text. A table with list elements is a list, any other an object; an empty one is
--- `{}` unless json.array marked it. Integers stay exact, floats keep their point.
---@param value any
---@param opts? {indent?: integer, sort_keys?: boolean}
---@return string
function M.encode(value, opts)
  if opts == nil then return core.encode(value) end
  options.check("json.encode", opts, ENCODE)
  return core.encode(value, opts.indent, opts.sort_keys)
end

--- The value of a JSON text. Objects and lists are tables, null is json.null. Raises kind `json`
--- with `line`, `column` and `position` (in bytes).
---@param text string
---@return any
function M.decode(text)
  return core.decode(text)
end

--- Marks a list, so that it is encoded as `[]` also when it is empty. Without an argument it
--- makes one.
---@generic T: table
---@param list? T
---@return T
function M.array(list)
  return core.array(list)
end

return M
