-- internal.job.causes: why items have failed: alike failures are one group, which a run tells at
-- its end as "6 × status 404 (first: URL, titles.lua:5)". Failures are alike that came from the
-- same line with the same kind and text, but for URLs and numbers in it. Runs in main only.

local encode = require("luapool.json.core").encode
local one_line = require("luapool.internal.progress.line").one_line
local screen = require "luapool.term.core"
local text_of = require("luapool.error.core").text

local M = {}

-- Groups that are kept, and those that are told. Further failures are only counted.
local MOST, TOLD = 200, 10

-- Columns of an item and of a text that are shown.
local ITEM, TEXT = 120, 160

---@class luapool.job.cause
---@field n integer how many failures
---@field text string what happened, to the first
---@field item string the first, as text
---@field place string|nil "titles.lua:5"

---@class luapool.job.causes
---@field groups luapool.job.cause[] in the order of their first failures
---@field by_key table<string, luapool.job.cause>
---@field others integer failures beyond the groups
local Causes = { __name = "luapool.job.causes" }
Causes.__index = Causes

-- One line of so many columns, and a dot where there was more.
local function line(text, most)
  text = one_line(text)
  local start = screen.cut(text, most)
  return #start < #text and start .. "…" or text
end

--- An item as the user knows it, on one line.
---@param item any
---@param most integer columns
---@return string
function M.item(item, most)
  if type(item) == "string" then return line(item, most) end
  local ok, text = pcall(encode, item, nil, true)
  return line(ok and text or text_of(item), most)
end

--- What has happened, in a few words: without the line, which is told beside it.
---@param e any
---@return string
function M.text(e)
  local fields = type(e) == "table" and e or {}
  if rawget(fields, "kind") == "status" and math.type(rawget(fields, "status")) == "integer" then
    return ("status %d"):format(e.status)
  end
  return line(text_of(e):gsub("^[^%s:]+:%d+: ", ""), TEXT)
end

-- What alike failures have in common.
local function key_of(e, text, place)
  local kind = type(e) == "table" and rawget(e, "kind") or type(e)
  if kind ~= "status" then text = text:gsub("%a[%w+.-]*://[^%s'\"]+", "URL"):gsub("%d+", "0") end
  return ("%s\0%s\0%s"):format(tostring(kind), place or "", text)
end

--- Counts a failure.
---@param item any
---@param e any
---@param place string|nil where it came from
function Causes:add(item, e, place)
  local text = M.text(e)
  local key = key_of(e, text, place)
  local group = self.by_key[key]
  if group then
    group.n = group.n + 1
  elseif #self.groups == MOST then
    self.others = self.others + 1
  else
    group = { n = 1, text = text, item = M.item(item, ITEM), place = place }
    self.by_key[key] = group
    table.insert(self.groups, group)
  end
end

local function told(group)
  local place = group.place and ", " .. group.place or ""
  local first = group.n > 1 and "first: " or ""
  return ("%d × %s (%s%s%s)"):format(group.n, group.text, first, group.item, place)
end

--- The groups as lines, the largest first.
---@return string[]
function Causes:lines()
  local order, lines, left = {}, {}, self.others
  for i, group in ipairs(self.groups) do order[i] = { i, group } end
  table.sort(order, function(a, b)
    if a[2].n ~= b[2].n then return a[2].n > b[2].n end
    return a[1] < b[1]
  end)
  for i, pair in ipairs(order) do
    if i <= TOLD then lines[i] = told(pair[2]) else left = left + pair[2].n end
  end
  if left > 0 then lines[#lines + 1] = ("%d × something else"):format(left) end
  return lines
end

--- One failure as a line: what `-v` shows.
---@param item any
---@param e any
---@param place string|nil
---@return string
function M.line(item, e, place)
  return ("%s: %s%s"):format(M.item(item, ITEM), M.text(e), place and (" (%s)"):format(place) or "")
end

---@return luapool.job.causes
function M.new() return setmetatable({ groups = {}, by_key = {}, others = 0 }, Causes) end

return M
