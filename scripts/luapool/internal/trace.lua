-- internal.trace: what of a traceback is of the user's code, and the line where an error came from.

local M = {}

local function is_own(line)
  return line:find("^%s+luapool/") or line:find("^%s+%[C%]: in %?$")
end

local function is_users(line) return line:find("^%s+[^%[(]") and not is_own(line) end

--- A traceback without luapool's own frames, and without the titles that then have none below
--- them; nil when there are no others. It ends with the outermost frame of the user's.
---@param trace string|nil
---@return string|nil
function M.of_user(trace)
  local lines, last, title = {}, 0, nil
  for line in (trace or ""):gmatch("[^\n]+") do
    if line == "stack traceback:" then
      title = line
    elseif not is_own(line) then
      if title then table.insert(lines, title) end
      title = nil
      table.insert(lines, line)
      if is_users(line) then last = #lines end
    end
  end
  return last > 0 and table.concat(lines, "\n", 1, last) or nil
end

-- "file:line" of the innermost frame of the user's.
local function frame(trace)
  for line in (trace or ""):gmatch("[^\n]+") do
    local place = is_users(line) and line:match("^%s+(.-:%d+): in ")
    if place then return place end
  end
  return nil
end

--- Where an error came from: "file:line", or nil. Where `fn` ended with the call that failed, as in
--- `return http.get(url)`, Lua has forgotten that line: it is the one where `fn` begins.
---@param e any
---@param trace string|nil
---@param fn? function
---@return string|nil
function M.place(e, trace, fn)
  local place = frame(trace)
  if place then return place end
  local text = type(e) == "table" and rawget(e, "message") or e
  place = type(text) == "string" and text:match "^([^%s:]+:%d+): "
  if place then return place end
  local info = type(fn) == "function" and debug.getinfo(fn, "S")
  if not info or info.what == "C" then return nil end
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

return M
