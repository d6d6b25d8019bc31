-- Makes HTML of Markdown, by cmark-gfm, and gives it what a site needs: addresses of sections, code
-- in colours, tables that scroll, links to pages. Plain Lua 5.4.

local highlight = require "highlight"

local M = {}

local COMMAND = "cmark-gfm -t html -e table -e strikethrough -e autolink --github-pre-lang '%s'"

local function run(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  if pipe:close() then return out end
  error("cmark-gfm failed: is the package cmark-gfm installed?", 0)
end

local function convert(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local ok, html = pcall(run, COMMAND:format(path))
  os.remove(path)
  return ok and html or error(html, 0)
end

local ENTITIES = { ["&amp;"] = "&", ["&lt;"] = "<", ["&gt;"] = ">", ["&quot;"] = '"' }

--- HTML as text, without its tags.
---@param html string
---@return string
function M.text(html) return (html:gsub("<[^>]*>", ""):gsub("&%a+;", ENTITIES)) end

-- The address of a section, as forges make it out of its title.
local function anchor(title, seen)
  local id = title:lower():gsub("[^%w%-_ \x80-\xff]", ""):gsub(" ", "-")
  local n = seen[id]
  seen[id] = (n or 0) + 1
  return n and id .. "-" .. n or id
end

local HEADING =
  '<h%s id="%s">%s<a class="anchor" href="#%s" aria-label="Link to this section">#</a></h%s>'

-- Gives the headings their addresses; `sections` is where the page's sections are collected.
local function add_anchors(html, sections)
  local seen = {}
  return (html:gsub("<h([1-6])>(.-)</h%1>", function(level, inner)
    local section = { level = tonumber(level), title = M.text(inner) }
    section.id = anchor(section.title, seen)
    table.insert(sections, section)
    return HEADING:format(level, section.id, inner, section.id, level)
  end))
end

local function code_block(code, language)
  return ('<div class="code"><pre><code>%s</code></pre></div>'):format(
    highlight.html(code, language))
end

local function add_colours(html)
  return (html:gsub("<pre([^>]*)><code>(.-)</code></pre>", function(attributes, code)
    return code_block(M.text(code), attributes:match 'lang="(%w+)"' or "terminal")
  end))
end

-- What is in the code may look like a heading, a link or a table: it is set aside meanwhile.
local function outside_of_code(html, change)
  local blocks = {}
  html = html:gsub('<pre.-</pre>', function(code)
    table.insert(blocks, code)
    return ("<pre>%d</pre>"):format(#blocks)
  end)
  html = change(html)
  return (html:gsub("<pre>(%d+)</pre>", function(i) return blocks[tonumber(i)] end))
end

--- A page of Markdown as HTML. `link(href)` returns what a link becomes.
---@param markdown string
---@param link fun(href: string): string
---@return string html
---@return { level: integer, title: string, id: string }[] sections
function M.page(markdown, link)
  local sections = {}
  local html = outside_of_code(convert(markdown), function(text)
    text = add_anchors(text, sections)
    text = text:gsub('(<a href=")([^"]*)"', function(before, href)
      return before .. link(href) .. '"'
    end)
    text = text:gsub('(<img src=")([^"]*)"', function(before, href)
      return before .. link(href) .. '"'
    end)
    text = text:gsub("<table>", '<div class="table"><table>'):gsub("</table>", "</table></div>")
    return text
  end)
  return add_colours(html), sections
end

--- A file of code as a page.
---@param code string
---@param path string
---@return string html
function M.source(code, path)
  local suffix = path:match "%.(%w+)$" or (code:find "^#!.-sh" and "sh") or nil
  return ("<h1>%s</h1>\n%s"):format(highlight.escape(path:match "[^/]*$"), code_block(code, suffix))
end

return M
