-- internal.url: references to absolute URLs, by RFC 3986 section 5.2. Escapes are kept as they are.

local M = {}

-- Cuts `text` before the first `mark`; what stands behind it, or nil, comes second.
local function cut(text, mark)
  local at = text:find(mark, 1, true)
  if not at then return text end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function split(text)
  local parts = {}
  local before_fragment, rest
  before_fragment, parts.fragment = cut(text, "#")
  rest, parts.query = cut(before_fragment, "?")
  local scheme, behind = rest:match("^(%a[%w+.-]*):(.*)$")
  if scheme then parts.scheme, rest = scheme, behind end
  local authority, path = rest:match("^//([^/]*)(.*)$")
  parts.authority, parts.path = authority, path or rest
  return parts
end

local function join(parts)
  return (parts.scheme and parts.scheme .. ":" or "")
    .. (parts.authority and "//" .. parts.authority or "")
    .. parts.path
    .. (parts.query and "?" .. parts.query or "")
    .. (parts.fragment and "#" .. parts.fragment or "")
end

local function remove_dots(path)
  local out, absolute = {}, path:sub(1, 1) == "/"
  local last
  for segment in path:gmatch("[^/]*") do
    last = segment
    if segment == ".." then
      if #out > 1 then table.remove(out) end
    elseif segment ~= "." then
      out[#out + 1] = segment
    end
  end
  if last == "." or last == ".." then out[#out + 1] = "" end
  path = table.concat(out, "/")
  if absolute and path:sub(1, 1) ~= "/" then path = "/" .. path end
  return path
end

local function merge(base, path)
  if base.authority and base.path == "" then return "/" .. path end
  return (base.path:match("^.*/") or "") .. path
end

-- What a browser does with an address written in a page: no white space around it or line
-- breaks in it, the bytes that no URL may hold escaped.
local function clean(text)
  text = text:gsub("[\t\r\n]", ""):match("^%s*(.-)%s*$")
  text = text:gsub("[^%w%-._~:/?#%[%]@!$&'()*+,;=%%]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  return (text:gsub("%%(%X)", "%%25%1"):gsub("%%$", "%%25"))
end

--- The absolute URL that `reference` means in a page at `base`.
---@param reference string
---@param base string
---@return string
function M.resolve(reference, base)
  local ref, from = split(clean(reference)), split(clean(base))
  if ref.scheme then
    if ref.authority then ref.path = remove_dots(ref.path) end
    return join(ref)
  end
  local target = { scheme = from.scheme, fragment = ref.fragment }
  if ref.authority then
    target.authority, target.path, target.query = ref.authority, remove_dots(ref.path), ref.query
    return join(target)
  end
  target.authority = from.authority
  if ref.path == "" then
    target.path, target.query = from.path, ref.query or from.query
  else
    local whole = ref.path:sub(1, 1) == "/" and ref.path or merge(from, ref.path)
    target.path, target.query = remove_dots(whole), ref.query
  end
  return join(target)
end

return M
