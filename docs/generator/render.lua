-- Makes Markdown out of the items of a book. The same text stands in docs/api and in the pages of
-- `luapool doc`. Plain Lua 5.4.

local commands = require "commands"

local M = {}

-- What a reader calls the object that a method belongs to: "queue" for luapool.sync.Queue.
local function instance(class) return class.short:lower() end

local function arguments(params)
  local parts = {}
  for i, param in ipairs(params) do
    local comma = i > 1 and ", " or ""
    parts[i] = param.optional and ("%s[%s%s]"):format(i > 1 and " " or "", comma, param.name)
      or comma .. param.name
  end
  return table.concat(parts)
end

local function results(returns)
  local parts = {}
  for i, value in ipairs(returns) do
    parts[i] = value.name ~= "" and value.name or value.type:gsub("^luapool%.", "")
  end
  return #parts > 0 and " -> " .. table.concat(parts, ", ") or ""
end

--- "task.gather(list [, opts]) -> list", "queue:put(value)", "json.null".
---@param item docs.Item
---@return string
function M.signature(item)
  local name = item.name
  if item.class then
    local mark = item.form == "field" and "." or ":"
    name = instance(item.class) .. mark .. item.short
  elseif item.module == "luapool" then
    name = "luapool." .. item.short
  end
  if item.form == "field" then return ("%s: %s"):format(name, item.type) end
  return ("%s(%s)%s"):format(name, arguments(item.params), results(item.returns))
end

local function add(out, text, ...)
  table.insert(out, select("#", ...) > 0 and text:format(...) or text)
end

local function bullet(out, name, value)
  local type = value.type:gsub("|", " or "):gsub("%?$", "")
  local kind = (" (%s%s)"):format(type, value.optional and ", optional" or "")
  local text = value.text ~= "" and ": " .. value.text or ""
  add(out, "- `%s`%s%s", name, name == value.type and "" or kind, text)
end

local function list(out, title, values)
  if #values == 0 then return end
  add(out, "\n%s:\n", title)
  for _, value in ipairs(values) do
    bullet(out, value.name ~= "" and value.name or value.type, value)
  end
end

-- The class of options that a parameter takes, if the book has it.
local function record(book, type)
  local class = book.classes[(type:gsub("%?$", ""))]
  return class and class.form == "record" and class or nil
end

--- The fields of a record and of those that it inherits from, in order.
---@param book docs.Book
---@param class docs.Item
---@return docs.Value[]
function M.fields(book, class)
  local all = {}
  local parent = class.parent and record(book, class.parent)
  if parent then all = M.fields(book, parent) end
  return table.move(class.fields, 1, #class.fields, #all + 1, all)
end

local function examples(out, item)
  for i, example in ipairs(item.examples) do
    if i == 1 then add(out, "\nExample:") end
    if example.intro ~= "" then add(out, "\n" .. example.intro) end
    add(out, "\n```lua\n%s\n```", example.code)
  end
end

local function raises(out, item)
  if #item.raises == 0 then return end
  add(out, "\nRaises:\n")
  for _, row in ipairs(item.raises) do
    add(out, "- `%s`%s", row.kind, row.text ~= "" and ": " .. row.text or "")
  end
end

--- Whether the fields of a record stand with the one function that uses it.
---@param class docs.Item
---@return boolean
function M.inlined(class) return class.form == "record" and #class.users == 1 end

local function record_fields(out, book, title, value)
  local class = record(book, value.type)
  if not class then return end
  if M.inlined(class) then return list(out, title, M.fields(book, class)) end
  local names = {}
  for i, field in ipairs(M.fields(book, class)) do names[i] = ("`%s`"):format(field.name) end
  add(out, "\n%s are those of `%s`: %s.", title, class.name, table.concat(names, ", "))
end

local function tables(out, book, item)
  for _, param in ipairs(item.params) do
    record_fields(out, book, "Fields of `" .. param.name .. "`", param)
  end
  for _, value in ipairs(item.returns) do
    record_fields(out, book, "Fields of the result", value)
  end
end

--- The first example that names the field: of its class, or of who takes it; nil when none does.
---@param class docs.Item
---@param field docs.Value
---@return { intro: string, code: string, line: integer }?
function M.example_of(class, field)
  local items = table.move(class.users, 1, #class.users, 2, { class })
  local pattern = "%f[%w_]" .. field.name:gsub("%W", "%%%0") .. "%f[^%w_]"
  for _, item in ipairs(items) do
    for _, example in ipairs(item.examples) do
      if example.code:find(pattern) then return example end
    end
  end
end

--- A field of a class or a record: a page of its own in the terminal.
---@param class docs.Item
---@param field docs.Value
---@return string
function M.field(class, field)
  local out = { ("    %s: %s"):format(field.name, field.type), "" }
  add(out, (field.text:gsub("^%l", string.upper)) .. (field.text ~= "" and "." or ""))
  local user = class.users[1]
  add(out, "\nIt is a field of `%s`%s.", class.name, user and ", see `" .. user.name .. "`" or "")
  local example = M.example_of(class, field)
  if example then examples(out, { examples = { example } }) end
  return table.concat(out, "\n")
end

--- A function, a method or a field, below a heading of its name.
---@param book docs.Book
---@param item docs.Item
---@return string
function M.item(book, item)
  local out = { "    " .. M.signature(item), "", item.text }
  if item.async then add(out, "\nWaits: other tasks run meanwhile.") end
  list(out, "Arguments", item.params)
  list(out, "Returns", item.returns)
  tables(out, book, item)
  raises(out, item)
  examples(out, item)
  return table.concat(out, "\n")
end

--- The text, the fields and the examples of a class or a table with fields.
---@param book docs.Book
---@param class docs.Item
---@return string
function M.class(book, class)
  local out = { class.text }
  list(out, "Fields", M.fields(book, class))
  examples(out, class)
  return table.concat(out, "\n")
end

--- The text and the examples of a module, with its kinds of errors.
---@param module docs.Item
---@return string
function M.module(module)
  local out = { module.text }
  examples(out, module)
  if #module.kinds > 0 then
    add(out, "\nKinds of its errors:\n")
    for _, kind in ipairs(module.kinds) do add(out, "- `%s`: %s", kind.name, kind.text) end
  end
  return table.concat(out, "\n")
end

--- What a module holds: functions, classes with their methods, tables that stand alone, commands,
--- topics.
---@param module docs.Item
---@return { name: string, summary: string }[]
function M.contents(module)
  local all = table.move(module.items, 1, #module.items, 1, {})
  for _, class in ipairs(module.class_list) do
    if not M.inlined(class) then table.insert(all, class) end
    table.move(class.methods, 1, #class.methods, #all + 1, all)
  end
  for _, command in ipairs(module.name == "cli" and commands.all() or {}) do
    table.insert(all, { name = "luapool " .. command.name, summary = command.summary })
  end
  for _, topic in ipairs(module.name == "cli" and commands.topics() or {}) do
    table.insert(all, topic)
  end
  return all
end

-- A list under a title, of pairs of code and text.
local function pairs_of(out, title, rows, code, text)
  if #rows == 0 then return end
  add(out, "\n%s:\n", title)
  for _, row in ipairs(rows) do add(out, "- `%s`: %s", code(row), text(row)) end
end

local function first(row) return row[1] end
local function second(row) return row[2] end

--- A subcommand of the program.
---@param command docs.Command
---@return string
function M.command(command)
  local out = { "    luapool " .. command.usage, "", command.text }
  pairs_of(out, "Verbs", command.verbs, function(verb)
    return verb[1] .. (verb[2] and " " .. verb[2] or "")
  end, function(verb) return verb[3] end)
  pairs_of(out, "Options", command.options, function(option) return option.name end,
    function(option) return option.text end)
  pairs_of(out, "Exit status", command.status, first, second)
  pairs_of(out, "Examples", command.examples, first, second)
  return table.concat(out, "\n")
end

return M
