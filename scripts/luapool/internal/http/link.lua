-- internal.http.link: the Link header, by RFC 8288.

local M = {}

-- title*=UTF-8'en'caf%C3%A9, by RFC 8187; nil in another charset.
local function extended(value)
  local text = value:match "^[Uu][Tt][Ff]%-8'[^']*'(.*)$"
  return text and text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
end

-- The value of a parameter at `at`: quoted or not. Returns where it ends, too.
local function value_at(text, at)
  if text:sub(at, at) ~= '"' then
    local value, stop = text:match("^([^;,]*)()", at)
    return value:gsub("%s+$", ""), stop
  end
  local parts, from = {}, at + 1
  while true do
    local stop, mark = text:match('^[^"\\]*()(.?)', from)
    parts[#parts + 1] = text:sub(from, stop - 1)
    if mark ~= "\\" then return table.concat(parts), stop + #mark end
    parts[#parts + 1] = text:sub(stop + 1, stop + 1)
    from = math.min(stop + 2, #text + 1)
  end
end

-- Reads the parameters at `at` into the link. Returns where they end.
local function parameters(text, at, link)
  while true do
    local name, equals, next_at = text:match("^%s*;[%s;]*([^%s=;,]+)%s*(=?)%s*()", at)
    if not name then return text:match("^%s*;?%s*()", at) end
    local value = ""
    at = next_at
    if equals ~= "" then value, at = value_at(text, at) end
    name = name:lower()
    if name:sub(-1) == "*" then
      local decoded = extended(value)
      if decoded then link[name:sub(1, -2)] = decoded end
    elseif link[name] == nil then
      link[name] = value
    end
  end
end

--- Adds the links of one Link header to a list.
---@param links table[]
---@param text string
---@param resolve fun(reference: string): string
function M.parse(links, text, resolve)
  local at = 1
  while true do
    local target, stop = text:match("^[%s,]*<([^>]*)>()", at)
    if not target then return end
    local link = {}
    at = parameters(text, stop, link)
    link.url = resolve(target)
    links[#links + 1] = link
    at = text:match("^[^,]*()", at) -- what is no parameter is left out
  end
end

return M
