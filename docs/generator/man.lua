-- Writes the man pages, luapool(1) and one for each command, out of what `--help` shows. The macros
-- are those of man(7), which every man program has. Plain Lua 5.4.

local commands = require "commands"

local M = {}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

-- What the foot of a page says: that changes with the version alone, so pages are reproducible.
local function version()
  local number = read("CMakeLists.txt"):match "project%(luapool VERSION ([%d.]+)"
  local date = read("CHANGELOG.md"):match "\n## [%d.]+ %((%d+%-%d+%-%d+)%)"
  return number, date
end

-- Text in roman: what begins with a dot or a quote is no request.
local function plain(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("'", "\\(aq")
  return (text:gsub("^%.", "\\&."):gsub("\n%.", "\n\\&."))
end

-- Markdown in one line: `code` is bold.
local function inline(text)
  local parts, at = {}, 1
  for before, code, behind in text:gmatch "()`([^`]*)`()" do
    parts[#parts + 1] = plain(text:sub(at, before - 1)) .. "\\fB" .. plain(code) .. "\\fR"
    at = behind
  end
  parts[#parts + 1] = plain(text:sub(at))
  return (table.concat(parts):gsub("^%.", "\\&."))
end

local Page = {}
Page.__index = Page

function Page:add(text, ...)
  self[#self + 1] = select("#", ...) > 0 and text:format(...) or text
end

-- A name and what is said of it.
function Page:item(name, text) self:add(".TP\n.B %s\n%s", plain(name), inline(text)) end

-- Paragraphs, and lists whose items begin with "- ".
function Page:markdown(text)
  text = text:gsub("([^\n])\n%s*([^%s%-])", "%1 %2")
  local between
  for line in text:gmatch "[^\n]+" do
    local name, rest = line:match "^%- (`.-): (.*)$"
    if name then
      self:add(".TP\n%s\n%s", inline(name), inline(rest))
    else
      if between then self:add ".PP" end
      self:add(inline(line))
    end
    between = true
  end
end

local function new(name, summary)
  local number, date = version()
  local page = setmetatable({}, Page)
  page:add '.\\" Made by docs/generator: do not edit.'
  page:add('.TH %s 1 %s "luapool %s" "User Commands"', name:upper():gsub("%-", "\\-"), date, number)
  page:add(".SH NAME\n%s \\- %s", plain(name), plain(summary))
  return page
end

local function see_also(page, names)
  local list = {}
  for i, name in ipairs(names) do list[i] = (".BR %s (1)"):format(plain(name)) end
  page:add(".SH SEE ALSO\n%s", table.concat(list, " ,\n"))
end

-- Options, brackets and dots in roman, what is to be replaced in italics.
local function synopsis(text)
  return (plain(text):gsub("%f[%w]%u%u+%f[%W]", "\\fI%0\\fR"))
end

function Page:section(title, rows, name, text)
  if #rows == 0 then return end
  self:add(".SH %s", title)
  for _, row in ipairs(rows) do self:item(name(row), text(row)) end
end

local function first(row) return tostring(row[1]) end
local function second(row) return row[2] end
local function name_of(option) return option.name end
local function text_of(option) return option.text end

local function examples(page, rows)
  if #rows == 0 then return end
  page:add ".SH EXAMPLES"
  for _, row in ipairs(rows) do page:item(row[1], row[2]:gsub("^%l", string.upper) .. ".") end
end

local function command_page(command)
  local page = new("luapool-" .. command.name, command.summary)
  page:add(".SH SYNOPSIS\n.B luapool %s", synopsis(command.usage))
  page:add ".SH DESCRIPTION"
  page:markdown(command.text)
  page:section("VERBS", command.verbs, function(verb)
    return verb[1] .. (verb[2] and " " .. verb[2] or "")
  end, function(verb) return verb[3] end)
  page:section("OPTIONS", command.options, name_of, text_of)
  page:section("EXIT STATUS", command.status, first, second)
  examples(page, command.examples)
  see_also(page, { "luapool" })
  return page
end

local function program_page(list)
  local page, names = new("luapool", "scripts and jobs in Lua over worker processes"), {}
  page:add ".SH SYNOPSIS\n.B luapool \\fICOMMAND\\fR [options] [arguments]"
  page:add ".SH DESCRIPTION"
  page:add(plain "Runs scripts in Lua 5.4 whose tasks wait for the network without blocking one "
    .. "another, and jobs that fetch, process and retry many items over worker processes.")
  page:add(".PP\n%s", inline "`luapool doc` has the reference of all modules.")
  page:add ".SH COMMANDS"
  for i, command in ipairs(list) do
    page:item(command.usage:match "^[^%[]*":gsub(" $", ""), command.summary)
    names[i] = "luapool-" .. command.name
  end
  for _, topic in ipairs(commands.topics()) do
    page:add(".SH %s", topic.name == "statuses" and "EXIT STATUS" or topic.name:upper())
    page:markdown(topic.text)
  end
  examples(page, {
    { "luapool new titles", "writes a job to start from" },
    { "luapool run titles.lua -p 6", "runs it over six processes" },
  })
  see_also(page, names)
  return page
end

--- The pages by their names.
---@return table<string, string>
function M.pages()
  local list = commands.all()
  local all = { luapool = program_page(list) }
  for _, command in ipairs(list) do all["luapool-" .. command.name] = command_page(command) end
  for name, page in pairs(all) do all[name] = table.concat(page, "\n") .. "\n" end
  return all
end

return M
