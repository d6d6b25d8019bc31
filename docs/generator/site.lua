-- Makes the site: the README, the guides, the reference and the examples as pages that a browser
-- reads from the disk as well as from a server. A page is made for each file that some page links
-- to, and a link that leads nowhere is an error. Plain Lua 5.4, with cmark-gfm.

local highlight = require "highlight"
local html = require "html"
local markdown = require "markdown"

local M = {}

-- What the menu holds: the pages that a list of links names, under a title.
local MENU = {
  { title = "Guides", from = "docs/README.md", pattern = "^docs/[^/]+%.md$" },
  { title = "Coming from", from = "docs/README.md", pattern = "^docs/coming%-from/" },
  { title = "Reference", from = "api/README.md", pattern = "^api/" },
  { title = "Examples", pages = { "examples/README.md" } },
}

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

local function write(path, text)
  assert(os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/")))
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- "docs/coming-from", "../jobs.md" -> "docs/jobs.md"; nil outside of the project.
local function resolve(folder, path)
  local parts = {}
  for part in (folder .. "/" .. path):gmatch "[^/]+" do
    if part == ".." then
      if not table.remove(parts) then return nil end
    elseif part ~= "." then
      table.insert(parts, part)
    end
  end
  return table.concat(parts, "/")
end

local function folder_of(path) return path:match "^(.*)/" or "" end

-- Where a file of the project stands in the site.
local function target_of(path)
  if path:find "%.png$" or path:find "%.svg$" then return path end
  local page = path:match "^(.*)%.md$"
  if not page then return path .. ".html" end
  return page:gsub("%f[^/%z]README$", "index") .. ".html"
end

-- From one file of the site to another one.
local function relative(from, to)
  return ("../"):rep(select(2, from:gsub("/", ""))) .. to
end

---@class docs.Site
---@field book docs.Book
---@field pages table<string, table> by the path of their source
---@field list table[] the same, in the order in which they were found
---@field faults string[]
local Site = {}
Site.__index = Site

-- Stands for the README of a folder that has none: a list of its files.
local function listing(folder)
  local out = { ("# %s\n"):format(folder:match "[^/]*$") }
  local files = "find '%s' -maxdepth 1 -type f 2>/dev/null | LC_ALL=C sort"
  local pipe = assert(io.popen(files:format(folder)))
  for path in pipe:lines() do
    table.insert(out, ("- [%s](%s)"):format(path:match "[^/]*$", path:match "[^/]*$"))
  end
  pipe:close()
  return out[2] and table.concat(out, "\n") .. "\n"
end

-- The text of a file: the reference is not on the disk.
function Site:text(path)
  local name = path:match "^api/(.*)%.md$"
  if name == "README" then return markdown.index(self.book) end
  if name then return self.book.modules[name] and markdown.page(self.book, name) end
  return read(path) or path:find "./README%.md$" and listing(folder_of(path))
end

-- The page of a file, which is made later; nil where there is none.
function Site:find(path)
  local page = self.pages[path]
  if page then return page end
  local text = self:text(path) or nil
  if not text then return nil end
  page = { path = path, text = text, target = target_of(path), sections = {} }
  self.pages[path] = page
  table.insert(self.list, page)
  return page
end

function Site:fault(page, text, ...)
  table.insert(self.faults, ("%s: %s"):format(page.path, text:format(...)))
end

-- What a link of a page becomes. Its section is looked for when all pages are made.
function Site:link(page, href)
  if href:find "^%a[%w+.-]*:" then return href end
  local path, id = href:match "^([^#]*)#?(.*)$"
  local other = page
  if path ~= "" then
    local to = resolve(folder_of(page.path), path)
    other = to and (self:find(to) or self:find(to .. "/README.md"))
    if not other then
      self:fault(page, "the link to '%s' leads nowhere", href)
      return href
    end
  end
  if id ~= "" then table.insert(page.links, { other, id, href }) end
  local address = path == "" and "" or relative(page.target, other.target)
  return address .. (id ~= "" and "#" .. id or "")
end

function Site:render(page)
  page.links = {}
  if page.target == page.path then return end -- a picture
  if page.path:find "%.md$" then
    page.html, page.sections = html.page(page.text, function(href) return self:link(page, href) end)
  else
    page.html = html.source(page.text, page.path)
  end
  page.title = page.sections[1] and page.sections[1].title or page.path
end

local function has_section(page, id)
  for _, section in ipairs(page.sections) do
    if section.id == id then return true end
  end
  return false
end

function Site:check(page)
  for _, link in ipairs(page.links) do
    local other, id, href = table.unpack(link)
    if not has_section(other, id) then
      self:fault(page, "there is no section '%s' (%s)", id, href)
    end
  end
end

-- ---- what stands around a page ----

-- The pages that a page links to and whose paths match, in its order.
function Site:linked(from, pattern)
  local list, seen, page = {}, {}, self.pages[from]
  for href in page.text:gmatch "%]%(([^)#]*)[^)]*%)" do
    local path = resolve(folder_of(from), href)
    if path and path ~= from and path:find(pattern) and not seen[path] then
      seen[path] = true
      table.insert(list, path)
    end
  end
  return list
end

function Site:menu(page)
  local out = {}
  for _, part in ipairs(MENU) do
    table.insert(out, ("<h2>%s</h2>\n<ul>"):format(part.title))
    for _, path in ipairs(part.pages or self:linked(part.from, part.pattern)) do
      local other = self.pages[path]
      local current = other == page and ' aria-current="page"' or ""
      table.insert(out, ('<li><a href="%s"%s>%s</a></li>'):format(
        relative(page.target, other.target), current, highlight.escape(other.title)))
    end
    table.insert(out, "</ul>")
  end
  return table.concat(out, "\n")
end

local function contents(page)
  local out = {}
  for _, section in ipairs(page.sections) do
    if section.level == 2 or section.level == 3 then
      table.insert(out, ('<li class="level%d"><a href="#%s">%s</a></li>'):format(section.level,
        section.id, highlight.escape(section.title)))
    end
  end
  if #out < 2 then return "" end
  return ('<nav class="contents" aria-label="On this page"><h2>On this page</h2><ul>%s</ul></nav>')
    :format(table.concat(out, "\n"))
end

function Site:write(page, template, folder)
  local path = folder .. "/" .. page.target
  if not page.html then return write(path, page.text) end
  local values = {
    title = highlight.escape(page.title), root = relative(page.target, ""), content = page.html,
    menu = self:menu(page), contents = contents(page),
  }
  write(path, (template:gsub("{{(%w+)}}", values)))
end

-- ---- search ----

local function quote(text)
  return '"' .. text:gsub('[%c"\\<]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

-- The sections of all Markdown, with the words of each: what stands in code is left out.
function Site:index()
  local out = {}
  for _, page in ipairs(self.list) do
    local body = (page.html or ""):gsub('<div class="code">.-</div>', " ")
    for i, section in ipairs(page.sections) do
      local _, from = body:find(('<h%d id="%s">.-</h%d>'):format(section.level,
        section.id:gsub("%p", "%%%0"), section.level))
      local to = body:find("<h[1-6] id=", from)
      local text = html.text(body:sub(from + 1, (to or 0) - 1):gsub("<", " <")):gsub("%s+", " ")
      local address = page.target .. (i > 1 and "#" .. section.id or "")
      table.insert(out, ("[%s,%s,%s,%s]"):format(quote(page.title), quote(section.title),
        quote(address), quote(text)))
    end
  end
  return "window.searchIndex = [\n" .. table.concat(out, ",\n") .. "\n];\n"
end

--- Writes the site to a folder, which is made anew. Lists the links that lead nowhere, and ends the
--- program then.
---@param book docs.Book
---@param folder string
function M.make(book, folder)
  local self = setmetatable({ book = book, pages = {}, list = {}, faults = {} }, Site)
  for _, path in ipairs { "README.md", "docs/README.md", "api/README.md" } do
    assert(self:find(path), path)
  end
  local i = 1
  while self.list[i] do -- grows while links are found
    self:render(self.list[i])
    i = i + 1
  end
  for _, page in ipairs(self.list) do self:check(page) end
  if #self.faults > 0 then
    io.stderr:write(table.concat(self.faults, "\n"), "\n")
    os.exit(1)
  end
  assert(os.execute(("rm -rf '%s'"):format(folder)))
  local template = assert(read "docs/site/page.html")
  for _, page in ipairs(self.list) do self:write(page, template, folder) end
  for _, name in ipairs { "site.css", "site.js" } do
    write(folder .. "/" .. name, assert(read("docs/site/" .. name)))
  end
  write(folder .. "/search.js", self:index())
end

return M
