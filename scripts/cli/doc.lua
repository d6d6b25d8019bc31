-- cli.doc: luapool doc [NAME]: shows a page of the reference. The build makes the pages out of the
-- comments of the sources (docs/generator/pages.lua); they are loaded here alone.

local cli = require "cli.options"
local color = require "luapool.internal.color"
local core = require "luapool.core"
local options = require "luapool.internal.options"
local wrap = require "cli.wrap"

local M = {
  usage = "doc [NAME]",
  summary = "show the reference of a module, function or option",
  about = "Shows a page of the reference: of a module (task), a function (task.gather), a method\n"
    .. "(pool:map), a field of options or of a job file (pool.new, job.retry), a kind of error\n"
    .. "(error.timeout), a command (run) or a topic (signals). Without NAME it lists all.",
  completes = "page",
  options = { cli.help },
  status = { { 0, "shown" }, { 2, "nothing has this name" } },
  examples = {
    { "luapool doc pool.map", "a function" },
    { "luapool doc job.retry", "a field of a job file" },
  },
}

-- What colours a text on a terminal; nothing elsewhere.
local function styles()
  if not color.wanted(1) then return { bold = "", code = "", off = "" } end
  return { bold = "\27[1m", code = "\27[36m", off = "\27[0m" }
end

local function width()
  return core.isatty(1) and math.min((require("luapool.term.core").size()), 100) or 80
end

-- ---- a page ----

-- Markdown as docs/generator/render.lua writes it: paragraphs, `- ` lists, titles that end with a
-- colon, indented and fenced code.
local function render(text, style, columns)
  local out, paragraph, fenced = {}, nil, false
  local function flush()
    if not paragraph then return end
    local indent = paragraph:find("^%- ") and "  " or ""
    local wrapped = wrap(paragraph, columns, indent)
    local title = paragraph:find("^%u[^%p]*:$")
    local coloured = style.code .. "%1" .. style.off
    if style.code ~= "" then wrapped = wrapped:gsub("`([^`]*)`", coloured) end
    table.insert(out, title and style.bold .. wrapped .. style.off or wrapped)
    paragraph = nil
  end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if line:find("^```") then
      flush()
      fenced = not fenced
    elseif fenced then
      table.insert(out, "    " .. style.code .. line .. style.off)
    elseif line:find("^    ") or line == "" then
      flush()
      table.insert(out, line == "" and line or style.bold .. line .. style.off)
    else
      if line:find("^%- ") then flush() end
      paragraph = paragraph and paragraph .. " " .. line or line
    end
  end
  flush()
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"))
end

local function show(page)
  local style = styles()
  io.stdout:write(style.bold, page.name, style.off, "\n\n", render(page.text, style, width()), "\n")
  return 0
end

-- ---- finding it ----

-- "luapool.Task:await()" is sought as "task.await", "luapool run" as "run".
local function key_of(name)
  return name:lower():gsub("%(%)$", ""):gsub(":", "."):gsub("^luapool[. ](.)", "%1")
    :gsub("^the ", "")
end

-- The page whose name is written out in full: "luapool.Job" is no other spelling of "job".
local function exactly(pages, name)
  for _, page in ipairs(pages) do
    if page.name == name then return page end
  end
end

-- All pages by their keys. One whose own name it is comes before those that share the word; a word
-- alone is the name of a module or a topic.
local function index(pages)
  local own, by_key = {}, {}
  for _, page in ipairs(pages) do
    for i, key in ipairs(page.keys) do
      local alone = page.form == "module" or page.form == "topic"
      local is_name = i == 1 and (alone or key:find(".", 1, true))
      if is_name then own[key] = own[key] or page end
      by_key[key] = by_key[key] or {}
      table.insert(by_key[key], page)
    end
  end
  return own, by_key
end

local function choose(name, found)
  io.stdout:write(("Several pages are called '%s':\n\n"):format(name))
  for _, page in ipairs(found) do
    io.stdout:write("  ", page.name, "\n    ", wrap(page.summary, width() - 4, "    "), "\n")
  end
  return 0
end

-- ---- the list ----

local LISTED = { ["function"] = true, method = true, command = true, topic = true }

local function list(pages)
  local style, columns = styles(), width()
  local names
  local function flush()
    if not names or #names == 0 then return end
    io.stdout:write("  ", wrap(table.concat(names, ", "), columns - 2, "  "), "\n")
  end
  for _, page in ipairs(pages) do
    if page.form == "module" then
      flush()
      local first = names == nil
      names = {}
      local text = wrap(page.name .. ": " .. page.summary, columns, "  ")
      io.stdout:write(first and "" or "\n", style.bold, text, style.off, "\n")
    elseif LISTED[page.form] then
      table.insert(names, page.name)
    end
  end
  flush()
  io.stdout:write("\nluapool doc NAME shows one of them.\n")
  return 0
end

function M.run(_, positional)
  local pages = require "cli.doc_pages"
  if not positional[1] then return list(pages) end
  local name = table.concat(positional, " ") -- a command's page has two words
  local exact = exactly(pages, name)
  if exact then return show(exact) end
  local own, by_key = index(pages)
  local key = key_of(name)
  local found = by_key[key]
  if not found then
    cli.wrong("nothing is called '%s'%s; luapool doc lists all", name, options.hint(key, by_key))
  end
  if own[key] or #found == 1 then return show(own[key] or found[1]) end
  return choose(name, found)
end

return M
