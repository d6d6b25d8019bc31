-- internal.job.output: where results and failed items go: JSON lines, in a file begun anew or on
-- stdout. Each line leaves in one write, so what is there is whole and visible at once. Main only.

local json = require "luapool.json"

local M = {}

local File = { __name = "luapool.job.output" }
File.__index = File

-- io.open's message begins with the path, a write's does not.
local function cannot(path, message)
  if message:sub(1, #path + 2) == path .. ": " then message = message:sub(#path + 3) end
  return ("cannot write %s: %s"):format(path, message)
end

--- Writes a line; raises when it cannot.
---@param line string
function File:write(line)
  local ok, message = self.file:write(line .. "\n")
  if not ok then error(cannot(self.path, message), 0) end
end

--- Closes it; raises when something could not be written.
function File:close()
  local ok, message = self.file:close()
  if not ok then error(cannot(self.path, message), 0) end
end

local Stdout = { __name = "luapool.job.stdout" }
Stdout.__index = Stdout

--- Writes a line; raises when it cannot.
function Stdout:write(line)
  local ok, message = self.print(line .. "\n")
  if not ok then error(cannot("stdout", message), 0) end
end

--- Leaves stdout open.
function Stdout.close() end

--- Opens an output: the file at `path`, begun anew, or stdout for nil and "-".
---@param path string|nil
---@param print fun(text: string): boolean?, string? writes to stdout
---@return table|nil output
---@return string? message
function M.open(path, print)
  if not path or path == "-" then return setmetatable({ print = print }, Stdout) end
  local file, message = io.open(path, "wb")
  if not file then return nil, cannot(path, message) end
  file:setvbuf "no"
  return setmetatable({ file = file, path = path }, File)
end

local Failed = { __name = "luapool.job.failed" }
Failed.__index = Failed

local function as_json(value)
  local ok, text = pcall(json.encode, value)
  return ok and text or json.encode(tostring(value))
end

-- {"item":…,"item_kind":…,"error":…,"kind":…,"attempts":…}, in this order.
local function record(item, item_kind, e, attempts)
  local fields = { ('"item":%s'):format(as_json(item)) }
  if item_kind then table.insert(fields, ('"item_kind":%s'):format(as_json(item_kind))) end
  table.insert(fields, ('"error":%s'):format(as_json(tostring(e))))
  if type(e) == "table" and e.kind then
    table.insert(fields, ('"kind":%s'):format(as_json(e.kind)))
  end
  table.insert(fields, ('"attempts":%d'):format(attempts))
  return "{" .. table.concat(fields, ",") .. "}"
end

--- Notes an item that has failed; the file is made for the first one.
---@param item any
---@param item_kind string|false|nil where the job names its kinds
---@param e any its error
---@param attempts integer
function Failed:add(item, item_kind, e, attempts)
  if not self.output then
    local message
    self.output, message = M.open(self.path)
    if not self.output then error(message, 0) end
  end
  self.output:write(record(item, item_kind, e, attempts))
end

--- Closes the list.
function Failed:close()
  if self.output then self.output:close() end
end

--- The list of failed items, at `path`; one left there by an earlier run is removed.
---@param path string
---@return table failed
function M.failed(path)
  os.remove(path)
  return setmetatable({ path = path }, Failed)
end

return M
