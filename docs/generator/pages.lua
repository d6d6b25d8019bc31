-- Writes the pages of `luapool doc` as a Lua module, which the build compiles into the program: a
-- list of { name =, form =, keys =, summary =, text = }. `keys` are the names, in small letters and
-- with dots alone, under which a page is found; the first of them is its own. Plain Lua 5.4.

local book_of = require "book"
local commands = require "commands"
local markdown = require "markdown"
local render = require "render"

local M = {}

local Pages = {}
Pages.__index = Pages

function Pages:add(form, name, summary, text, ...)
  local keys, seen = {}, {}
  for _, word in ipairs { ... } do
    local key = word:lower():gsub(":", "."):gsub("^luapool%.(.)", "%1"):gsub("^the ", "")
    if not seen[key] then table.insert(keys, key) end
    seen[key] = true
  end
  table.insert(self, { name = name, form = form, summary = summary, keys = keys, text = text })
end

-- The overview of what a module, or a class, holds: a line each.
local function contents(items)
  local lines = {}
  for i, item in ipairs(items) do
    lines[i] = ("- `%s`: %s"):format(item.name, item.summary)
  end
  return #lines > 0 and "\n\nContents:\n\n" .. table.concat(lines, "\n") or ""
end

local function add_fields(pages, class)
  for _, field in ipairs(class.fields) do
    local user = class.users[1]
    local owner = user and class.form == "record" and user.name or class.name
    if class.short == "Job" or class.short == "ServeFile" then owner = class.module end
    pages:add("field", owner .. "." .. field.name, field.text, render.field(class, field),
      owner .. "." .. field.name, class.name .. "." .. field.name,
      class.module .. "." .. field.name, field.name)
  end
end

local function add_class(pages, book, class)
  local text = render.class(book, class) .. contents(class.methods)
  pages:add(class.form, class.name, class.summary, text, class.name,
    class.module .. "." .. class.short, class.short)
  for _, item in ipairs(class.methods) do
    pages:add("method", item.name, item.summary, render.item(book, item), item.name,
      class.module .. "." .. item.short, class.module .. "." .. class.short .. "." .. item.short,
      item.short)
  end
  add_fields(pages, class)
end

local function add_module(pages, book, name)
  local module = book.modules[name]
  local text = render.module(module) .. contents(render.contents(module))
  pages:add("module", markdown.title(name), module.summary, text, name, markdown.title(name))
  for _, item in ipairs(module.items) do
    pages:add("function", item.name, item.summary, render.item(book, item), item.name, item.short)
  end
  for _, class in ipairs(module.class_list) do add_class(pages, book, class) end
end

-- The functions and methods that are said to raise a kind.
local function raisers(book, kind)
  local names = {}
  for _, item in ipairs(book.items) do
    for _, raised in ipairs(item.raises) do
      if raised.kind == kind then table.insert(names, "`" .. item.name .. "`") end
    end
  end
  table.sort(names)
  return #names > 0 and "\n\nRaised by: " .. table.concat(names, ", ") .. "." or ""
end

-- A page for each kind of error, with what it means in each module.
local function add_kinds(pages, book)
  local rows, names = {}, {}
  for _, module in ipairs(book_of.modules) do
    for _, kind in ipairs(book.modules[module].kinds) do
      if not rows[kind.name] then
        rows[kind.name] = {}
        table.insert(names, kind.name)
      end
      table.insert(rows[kind.name], ("- %s: %s"):format(markdown.title(module), kind.text))
    end
  end
  for _, name in ipairs(names) do
    local text = table.concat(rows[name], "\n") .. raisers(book, name)
    pages:add("kind", "error." .. name, "a kind of error", text, "error." .. name, name)
  end
end

local function add_commands(pages)
  for _, command in ipairs(commands.all()) do
    local name = "luapool " .. command.name
    pages:add("command", name, command.summary, render.command(command),
      "cli." .. command.name, command.name)
  end
  for _, topic in ipairs(commands.topics()) do
    pages:add("topic", topic.name, topic.summary, topic.text, topic.name, "cli." .. topic.name)
  end
end

--- The pages of a book.
---@param book docs.Book
---@return { name: string, summary: string, keys: string[], text: string }[]
function M.all(book)
  local pages = setmetatable({}, Pages)
  for _, name in ipairs(book_of.modules) do add_module(pages, book, name) end
  add_kinds(pages, book)
  add_commands(pages)
  return pages
end

--- The same as the text of a Lua module.
---@param book docs.Book
---@return string
function M.lua(book)
  local out = { "-- Made by docs/generator: do not edit.\nreturn {" }
  for _, page in ipairs(M.all(book)) do
    local keys = {}
    for i, key in ipairs(page.keys) do keys[i] = ("%q"):format(key) end
    local row = "  { name = %q, form = %q, summary = %q, keys = { %s },\n    text = %q },"
    table.insert(out, row:format(page.name, page.form, page.summary, table.concat(keys, ", "),
      page.text))
  end
  table.insert(out, "}\n")
  return table.concat(out, "\n")
end

return M
