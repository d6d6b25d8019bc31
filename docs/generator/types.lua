-- Writes the types that editors read: a file `---@meta` for each module, as lua-language-server
-- takes them. Plain Lua 5.4.

local book_of = require "book"

local M = {}

local function comment(out, text)
  for line in (text .. "\n"):gmatch("(.-)\n") do
    table.insert(out, line == "" and "---" or "--- " .. line)
  end
end

local function describe(out, item)
  if item.text ~= "" then comment(out, item.text) end
  for _, example in ipairs(item.examples) do
    comment(out, "\n" .. (example.intro ~= "" and example.intro .. "\n\n" or "") .. "```lua\n"
      .. example.code .. "\n```")
  end
end

local function joined(...) return (table.concat({ ... }, " "):gsub("%s+$", "")) end

local function write_function(out, item, owner, mark)
  describe(out, item)
  for _, generic in ipairs(item.generics) do table.insert(out, "---@generic " .. generic) end
  if item.async then table.insert(out, "---@async") end
  local names = {}
  for i, param in ipairs(item.params) do
    local name = param.name .. (param.optional and "?" or "")
    table.insert(out, joined("---@param", name, param.type, param.text))
    names[i] = param.name
  end
  for _, value in ipairs(item.returns) do
    table.insert(out, joined("---@return", value.type, value.name, value.text))
  end
  local text = "function %s%s%s(%s) end\n"
  table.insert(out, text:format(owner, mark, item.short, table.concat(names, ", ")))
end

local function write_field(out, name, type, text)
  table.insert(out, joined("---@field", name, type, (text:gsub("\n", " "))))
end

local function write_class(out, class, variable)
  describe(out, class)
  local parent = class.parent and ": " .. class.parent or ""
  table.insert(out, "---@class " .. class.name .. parent)
  for _, field in ipairs(class.fields) do
    write_field(out, field.name .. (field.optional and "?" or ""), field.type, field.text)
  end
  for _, item in ipairs(class.methods) do
    if item.form == "field" then write_field(out, item.short, item.type, item.summary) end
  end
  for _, operator in ipairs(class.operators) do table.insert(out, "---@operator " .. operator) end
  if #class.methods == 0 then
    table.insert(out, "")
    return
  end
  table.insert(out, ("local %s = {}\n"):format(variable))
  for _, item in ipairs(class.methods) do
    if item.form == "method" then write_function(out, item, variable, ":") end
  end
end

--- The file of a module.
---@param book docs.Book
---@param name string
---@return string
function M.page(book, name)
  local module = book.modules[name]
  local out = { "---@meta " .. book_of.class_of(name), "" }
  for i, class in ipairs(module.class_list) do
    write_class(out, class, ("%s_%d"):format(class.short, i))
  end
  describe(out, module)
  table.insert(out, "---@class " .. book_of.class_of(name))
  if name == "luapool" then
    for _, part in ipairs(book_of.modules) do
      local is_part = part ~= "luapool" and part ~= "job" and part ~= "serve" and part ~= "cli"
      if is_part then write_field(out, part, "luapool." .. part, "") end
    end
  end
  for _, item in ipairs(module.items) do
    if item.form == "field" then write_field(out, item.short, item.type, item.summary) end
  end
  table.insert(out, "local M = {}\n")
  for _, item in ipairs(module.items) do
    if item.form == "function" then write_function(out, item, "M", ".") end
  end
  table.insert(out, "return M")
  return table.concat(out, "\n") .. "\n"
end

return M
