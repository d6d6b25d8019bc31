-- What the lints share: the project's files, their lines, and a TAP result. Run from the root, by a
-- plain lua5.4, so that they work before luapool does.

local M = {}

--- All files under `folders` whose names end with one of `endings`, sorted.
---@param folders string[]
---@param endings string[]
---@return string[]
function M.files(folders, endings)
  local list = {}
  for _, folder in ipairs(folders) do
    local pipe = assert(io.popen(("find %s -type f 2>/dev/null | LC_ALL=C sort"):format(folder)))
    for path in pipe:lines() do
      for _, ending in ipairs(endings) do
        if path:sub(-#ending) == ending then list[#list + 1] = path end
      end
    end
    pipe:close()
  end
  return list
end

--- The lines of a file.
---@param path string
---@return string[]
function M.lines(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = line end
  return list
end

--- The top-level functions of a C file: name, first line, number of lines.
---@param lines string[]
---@return {name: string, at: integer, size: integer}[]
function M.c_functions(lines)
  local list, name, at = {}, nil, nil
  for n, line in ipairs(lines) do
    local head = line:match("^[%a_][%w_%s%*]-([%w_]+)%s*%(")
    if head and not line:find(";%s*$") and not line:find("^typedef") then name, at = head, n end
    if line:find("^}") or (at == n and line:find("}%s*$")) then
      if name then list[#list + 1] = { name = name, at = at, size = n - at + 1 } end
      name = nil
    end
  end
  return list
end

--- Prints the result as one TAP test and ends the program.
---@param title string
---@param rows string[] what departs from the rule; none is a pass
function M.finish(title, rows)
  print((#rows == 0 and "ok" or "not ok") .. " 1 - " .. title)
  for _, row in ipairs(rows) do print("# " .. row) end
  print("1..1")
  os.exit(#rows == 0)
end

return M
