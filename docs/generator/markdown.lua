-- Writes the reference as Markdown: a file for each module, and a list of them. Plain Lua 5.4.

local book_of = require "book"
local commands = require "commands"
local render = require "render"

local M = {}

local TITLES = { job = "Job files", serve = "Files for luapool serve", cli = "The command line",
  luapool = "luapool" }

--- The title of a module's page.
---@param name string
---@return string
function M.title(name) return TITLES[name] or "luapool." .. name end

-- The address of a section in its page, as forges make it out of the title.
local function anchor(title) return (title:lower():gsub("[^%w%-_ ]", ""):gsub(" ", "-")) end

-- The list of what a page holds.
local function contents(out, items)
  table.insert(out, "\n## Contents\n")
  for _, item in ipairs(items) do
    table.insert(out, ("- [%s](#%s): %s"):format(item.name, anchor(item.name), item.summary))
  end
end

local function section(out, mark, name, text)
  table.insert(out, ("\n%s %s\n\n%s"):format(mark, name, text))
end

local function class_section(out, book, class)
  section(out, "##", class.name, render.class(book, class))
  for _, item in ipairs(class.methods) do
    section(out, "###", item.name, render.item(book, item))
  end
end

--- The page of a module.
---@param book docs.Book
---@param name string
---@return string
function M.page(book, name)
  local module = book.modules[name]
  local out = { "# " .. M.title(name) .. "\n", render.module(module) }
  contents(out, render.contents(module))
  for _, item in ipairs(module.items) do
    section(out, "##", item.name, render.item(book, item))
  end
  for _, class in ipairs(module.class_list) do
    if not render.inlined(class) then class_section(out, book, class) end
  end
  if name == "cli" then
    for _, command in ipairs(commands.all()) do
      section(out, "##", "luapool " .. command.name, render.command(command))
    end
    for _, topic in ipairs(commands.topics()) do section(out, "##", topic.name, topic.text) end
  end
  return table.concat(out, "\n") .. "\n"
end

--- The list of the pages.
---@param book docs.Book
---@return string
function M.index(book)
  local out = { "# The reference\n" }
  for _, name in ipairs(book_of.modules) do
    local text = "- [%s](%s.md): %s"
    table.insert(out, text:format(M.title(name), name, book.modules[name].summary))
  end
  return table.concat(out, "\n") .. "\n"
end

return M
