-- internal.job.failed: the list of the items that have failed, as JSON lines in a file that takes
-- the place of the last run's list at the end. Where that cannot be written the list goes to
-- stderr: the job goes on. Runs in main only.

local beside = require "luapool.internal.beside"
local encode = require("luapool.json.core").encode
local text_of = require("luapool.error.core").text
local screen = require "luapool.term.core"

local M = {}

---@class luapool.job.failed
---@field path string of the list
---@field refused boolean the file could not be written: items have gone to stderr
---@field listed integer how many items the file has
local Failed = { __name = "luapool.job.failed" }
Failed.__index = Failed

-- The text with each byte that is not UTF-8 as \xFF.
local function printable(text)
  local at = 1
  while true do
    local _, bad = utf8.len(text, at)
    if not bad then return text end
    text = ("%s\\x%02X%s"):format(text:sub(1, bad - 1), text:byte(bad), text:sub(bad + 1))
    at = bad + 4
  end
end

-- A value that has no form in JSON is told as text.
local function as_json(value)
  local ok, text = pcall(encode, value, nil, true)
  return ok and text or encode(printable(text_of(value)))
end

-- {"item":…,"item_kind":…,"error":…,"kind":…,"attempts":…,"traceback":…}, in this order. What is no
-- error object is of the kind "error".
local function record(item, item_kind, e, attempts, trace)
  local fields = { ('"item":%s'):format(as_json(item)) }
  if item_kind then table.insert(fields, ('"item_kind":%s'):format(as_json(item_kind))) end
  table.insert(fields, ('"error":%s'):format(as_json(text_of(e))))
  local kind = type(e) == "table" and e.kind or "error"
  table.insert(fields, ('"kind":%s'):format(as_json(kind)))
  table.insert(fields, ('"attempts":%d'):format(attempts))
  if trace then table.insert(fields, ('"traceback":%s'):format(as_json(trace))) end
  return "{" .. table.concat(fields, ",") .. "}"
end

--- Notes an item that has failed.
---@param item any
---@param item_kind string|false|nil where the job names its kinds
---@param e any its error
---@param attempts integer
---@param trace string|nil its traceback
function Failed:add(item, item_kind, e, attempts, trace)
  local line = record(item, item_kind, e, attempts, trace)
  if not self.refused then
    local ok, message = self.file:write(line)
    if ok then
      self.listed = self.listed + 1
      return
    end
    self.refused = true
    screen.print(("luapool: %s: failed items are told here\n"):format(message))
  end
  screen.print(("luapool: failed: %s\n"):format(line))
end

--- What `--resume` keeps of it: see Beside:mark.
---@return fun(): table
function Failed:mark()
  local wait, listed = self.file:mark(), self.listed
  return function() return { length = wait(), listed = listed } end
end

--- Goes on with the list of an earlier run. Returns false and a message when that is not there.
---@param mark { length: integer, listed: integer }
---@param ended boolean the list may have got its name already
---@return boolean ok
---@return string? message
function Failed:continue(mark, ended)
  local there, message = self.file:continue(mark.length)
  if there == nil then return false, message end
  if not there and mark.length > 0 and not ended then
    return false, self.file.part .. " is missing: it belongs to this run"
  end
  self.kept, self.listed = not there and ended and mark.length > 0, mark.listed
  return true
end

--- Ends the writing; the list is gone on with later.
function Failed:leave() self.file:leave() end

--- Ends the list. One that is left of an earlier run is removed by a run without failures that
--- has run to its end.
---@param whole boolean
function Failed:close(whole)
  if self.kept then return end
  if self.listed == 0 and not self.refused then
    if whole then self.file:remove() end
    return
  end
  local ok, message = self.file:keep(false)
  if not ok then screen.print(("luapool: %s\n"):format(message)) end
end

--- Where to find the list, for the end of a run: a line, or nil when there is none.
---@return string|nil
function Failed:where()
  if self.listed == 0 then return nil end
  if not self.refused then return "the failed items are listed in " .. self.path end
  return ("the failed items are listed in %s, but for those told above"):format(self.file.part)
end

--- The list at `path`, which is made for the first failure.
---@param path string
---@return luapool.job.failed
function M.new(path)
  local self = { path = path, file = beside.new(path), refused = false, listed = 0 }
  return setmetatable(self, Failed)
end

return M
