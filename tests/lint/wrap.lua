-- Wraps comments of Lua files that are wider than 100 columns; `make format` runs it. The text that
-- hangs over goes in front of the next line of the same comment. Annotations (---@) and fenced
-- examples stay as they are.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local max_column, wrapped_column = 100, 96

-- Whether `line` goes on with a paragraph that is commented with `prefix`.
local function continues(line, prefix)
  local text = line and line:sub(1, #prefix + 1) == prefix .. " " and line:sub(#prefix + 2)
  return text and text:find("^[%w`'\"(]") ~= nil
end

-- The line cut at its last space before the limit: head, rest.
local function cut(line, prefix)
  local at = wrapped_column + 1
  while at > #prefix + 2 and line:sub(at, at) ~= " " do at = at - 1 end
  if at <= #prefix + 2 then return line end
  return line:sub(1, at - 1), line:sub(at + 1)
end

local function wrap(lines)
  local out, i, fenced = {}, 1, false
  while i <= #lines do
    local line = lines[i]
    local prefix = line:match("^(%s*%-%-%-? )%S")
    local head, rest = line, nil
    if line:find("^%s*%-%-%-? ```") then fenced = not fenced end
    local wide = prefix and not fenced and #line > max_column
    if wide then head, rest = cut(line, prefix:sub(1, -2)) end
    out[#out + 1] = head
    if not rest then
      i = i + 1
    elseif continues(lines[i + 1], prefix:sub(1, -2)) then
      lines[i + 1] = prefix .. rest .. " " .. lines[i + 1]:sub(#prefix + 1)
      i = i + 1
    else
      lines[i] = prefix .. rest
    end
  end
  return out
end

for _, path in ipairs(tree.files({ "scripts", "docs", "tests", "examples" }, { ".lua" })) do
  local before = tree.lines(path)
  local old = table.concat(before, "\n") .. "\n"
  local new = table.concat(wrap(before), "\n") .. "\n"
  if new ~= old then
    local file = assert(io.open(path, "w"))
    file:write(new)
    assert(file:close())
    print("wrapped " .. path)
  end
end
