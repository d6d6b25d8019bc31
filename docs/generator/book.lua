-- Makes one book out of the blocks of all sources: modules with their functions, classes with
-- their methods and fields, kinds of errors. What is public is decided here:
--
--   * a file scripts/luapool/NAME.lua is the module NAME; so is what it defines as M.name and the
--     classes that it declares;
--   * elsewhere a block is public when it says so: `@function sync.lock` gives a function its
--     public name (several names: one block for all of them), `@within sync` puts a class into a
--     module, `@page dns` opens the page of a module, or of something that is none;
--   * what is `@private`, or begins with "_", is not.
--
-- A `@class` above a `local` is a class with methods; one that stands alone is a record, a table
-- with fields, such as the options of a function.
--
-- The tags beside those of LuaCATS: `@kind NAME text` in the block of a module: a kind of error;
-- `@raises KIND text`: a function raises it. `@async`, as in LuaCATS: the call waits.

local source = require "source"

local M = {}

--- The public modules, in the order of the book; "job", "serve" and "cli" are pages without a
--- module.
M.modules = {
  "luapool", "task", "sync", "cache", "lock", "pool", "process", "signal", "http", "retry", "html",
  "xml", "json", "yaml", "fs", "csv", "sqlite", "queue", "redis", "memcached", "digest", "dns",
  "log", "progress", "error", "job", "serve", "cli",
}

---@class docs.Value: a parameter, a result or a field
---@field name string
---@field type string
---@field optional boolean
---@field text string
---@field line integer

---@class docs.Item
---@field form "module"|"function"|"method"|"field"|"class"|"record"
---@field name string       "task.gather", "Task:await", "luapool.Task"
---@field module string     "task"
---@field short string      "gather", "await", "Task"
---@field text string       Markdown, without the examples
---@field summary string    its first sentence
---@field examples { intro: string, code: string, line: integer }[]
---@field params docs.Value[]
---@field returns docs.Value[]
---@field raises { kind: string, text: string }[]
---@field async boolean
---@field class? docs.Item  of a method: its class
---@field type? string      of a field
---@field parent? string    of a class: what it inherits from
---@field fields docs.Value[]  of a class
---@field operators string[]   of a class, as LuaCATS writes them
---@field methods docs.Item[]  of a class
---@field users docs.Item[]    of a class: the functions that take or return it
---@field path string
---@field line integer

local PUBLIC = {}
for _, name in ipairs(M.modules) do PUBLIC[name] = true end

local function fail(block, line, text, ...)
  error(("%s:%d: %s"):format(block.path, line or block.line, text:format(...)), 0)
end

-- ---- the text of a block ----

local function join(lines) return (table.concat(lines, "\n"):gsub("^%s+", ""):gsub("%s+$", "")) end

-- Takes the fenced Lua out of the text: what stands before the first block is the text, what
-- stands before each other one introduces that.
local function take_examples(block)
  local text, examples, lines, code = nil, {}, {}, nil
  for i, line in ipairs(block.text) do
    if code and line:find("^```") then
      local intro = text and join(lines) or ""
      text = text or join(lines)
      table.insert(examples, { code = table.concat(code, "\n"), line = code.line, intro = intro })
      lines, code = {}, nil
    elseif code then
      table.insert(code, line)
    elseif line:find("^```lua") then
      code = { line = block.line + i }
    else
      table.insert(lines, line)
    end
  end
  if code then fail(block, nil, "an example has no end") end
  local rest = join(lines)
  if text and rest ~= "" then fail(block, nil, "the text behind an example belongs before it") end
  return text or rest, examples
end

--- The first sentence of a text, on one line.
---@param text string
---@return string
function M.sentence(text)
  local paragraph = (text .. "\n\n"):match("^(.-)\n\n"):gsub("\n", " ")
  return (paragraph .. " "):match("^(.-[.:])%s+[%u`]") or (paragraph:gsub(":$", ""))
end

local function optional_name(word)
  return word:gsub("%?$", ""), word:find("%?$") ~= nil
end

local function param(tag)
  local word, rest = tag.text:match("^(%S+)%s*(.*)$")
  local name, optional = optional_name(word)
  local type, text = source.split_type(rest)
  return { name = name, type = type, optional = optional, text = text, line = tag.line }
end

local function result(tag)
  local type, rest = source.split_type(tag.text)
  local name, text = rest:match("^([%a_][%w_]*)%f[%W]%s*(.*)$")
  if not name then name, text = rest:match("^(%.%.%.)%s*(.*)$") end
  return { name = name or "", type = type, optional = type:find("%?$") ~= nil, text = text or rest,
    line = tag.line }
end

-- What the tags of a block say, by tag; the unknown ones of LuaCATS are left alone.
local readers = {}

function readers.param(item, tag) table.insert(item.params, param(tag)) end

readers.field = function(item, tag)
  tag.text = tag.text:gsub("^public%s+", "")
  if tag.text:find("^private%s") or tag.text:find("^package%s") then return end
  local field = param(tag)
  if not field.name:find("^_") then table.insert(item.fields, field) end
end

readers["return"] = function(item, tag) table.insert(item.returns, result(tag)) end

function readers.raises(item, tag)
  local kind, text = tag.text:match("^([%w_]+)%s*(.*)$")
  table.insert(item.raises, { kind = kind, text = text })
end

function readers.kind(item, tag)
  local name, text = tag.text:match("^([%w_]+)%s+(.*)$")
  table.insert(item.kinds, { name = name, text = text, line = tag.line })
end

function readers.async(item) item.async = true end

function readers.private(item) item.private = true end

readers.package = readers.private

function readers.operator(item, tag) table.insert(item.operators, tag.text) end

function readers.generic(item, tag) table.insert(item.generics, tag.text) end

function readers.type(item, tag) item.type = source.split_type(tag.text) end

function readers.within(item, tag) item.within = tag.text end

function readers.page(item, tag) item.page = tag.text end

readers["function"] = function(item, tag)
  for name in tag.text:gmatch("%S+") do table.insert(item.names, name) end
end

readers.class = function(item, tag)
  item.class_name = tag.text:match("^[%w_.]+")
  item.parent = tag.text:match("^[%w_.]+%s*:%s*([%w_.]+)$")
end

local function read(block)
  local item = {
    path = block.path, line = block.line, code = block.code, names = {}, params = {}, returns = {},
    raises = {}, fields = {}, operators = {}, generics = {}, kinds = {}, methods = {},
    async = false,
  }
  for _, tag in ipairs(block.tags) do
    local reader = readers[tag.name]
    if reader then reader(item, tag) end
  end
  item.text, item.examples = take_examples(block)
  item.summary = M.sentence(item.text)
  return item
end

-- ---- what a block documents ----

local function copy(item)
  local new = {}
  for key, value in pairs(item) do new[key] = value end
  return new
end

---@class docs.Book
---@field modules table<string, docs.Item>
---@field classes table<string, docs.Item>   by name: "luapool.Task"
---@field class_list docs.Item[]              the same in the order of the sources
---@field items docs.Item[]                  all functions, methods and fields of modules
---@field private table<string, true>         names of functions that are not public
local Book = {}
Book.__index = Book

-- A function or field of a module, "task.gather", or of a class, "Task:await". A class is found
-- when all files are read, so it may stand in another one.
function Book:add(item, name)
  local owner, mark, short = name:match("^([%w_.]-)([.:]?)([%a_][%w_]*)$")
  if short:find("^_") then return end
  if item.private then
    self.private[name] = true
    return
  end
  local new = copy(item)
  new.name, new.short, new.owner, new.method = name, short, owner, mark == ":"
  table.insert(self.items, new)
end

function Book:add_class(item, module)
  if item.private then return end
  item.form = item.code and item.code:find("^local ") and "class" or "record"
  item.name, item.module = item.class_name, module
  item.short, item.users = item.name:match("([^.]+)$"), {}
  self.classes[item.name] = item
  table.insert(self.class_list, item)
end

local function module_of(path)
  local name = path:match("^scripts/luapool/([%w_]+)%.lua$")
  return name == "init" and "luapool" or name
end

--- The class that a module is to an editor.
---@param module string
---@return string
function M.class_of(module) return module == "luapool" and module or "luapool." .. module end

-- `@class luapool.task` in the module's own file opens the module.
function Book:open_module(item, module)
  item.form, item.module, item.name, item.short = "module", module, module, module
  item.class_list, item.items = {}, {}
  self.modules[module] = item
end

-- The table that `code` declares or fills: "Group" of "local Group = ...".
local function declared(code) return code and code:match("^local ([%a_][%w_]*)") end

-- Names of a definition: "function Group:spawn(...)", "M.null = ...".
local function defined(code)
  local owner, name = (code or ""):match("^function ([%a_][%w_]*)[.:]([%a_][%w_]*)")
  if owner then return owner, name end
  return (code or ""):match("^([%a_][%w_]*)%.([%a_][%w_]*)%s*=")
end

function Book:read_class(item, file)
  local variable = declared(item.code)
  if file.module and item.class_name == M.class_of(file.module) then
    file.tables[variable] = { module = file.module }
    return self:open_module(item, file.module)
  end
  local module = item.within or file.module
  if variable then file.tables[variable] = { class = item.class_name, public = module ~= nil } end
  if module then self:add_class(item, module) end
end

function Book:read_block(block, file)
  local item = read(block)
  if item.page then return self:open_module(item, item.page) end
  if item.class_name then return self:read_class(item, file) end
  if item.names[1] then
    for _, name in ipairs(item.names) do self:add(item, name) end
    return
  end
  local variable, name = defined(item.code)
  local owner = file.tables[variable]
  if not owner then return end
  if owner.module then
    self:add(item, owner.module .. "." .. name)
  elseif owner.public then
    self:add(item, owner.class .. ":" .. name)
  end
end

-- Notes with each class which functions take or return it; with a parent, those of its children.
local function note_users(book)
  for _, item in ipairs(book.items) do
    for _, values in ipairs { item.params, item.returns } do
      for _, value in ipairs(values) do
        local class = book.classes[(value.type:gsub("%?$", ""))]
        while class do
          table.insert(class.users, item)
          class = book.classes[class.parent]
        end
      end
    end
  end
end

local function by_name(a, b) return a.short < b.short end

-- The class that has the module's name first, records last.
local function by_rank(a, b)
  local function rank(class)
    if class.short:lower() == class.module then return 0 end
    return class.form == "record" and 2 or 1
  end
  if rank(a) ~= rank(b) then return rank(a) < rank(b) end
  return a.name < b.name
end

-- Says of each item whose it is, once all are there.
function Book:settle()
  local by_short = {}
  for _, name in ipairs(M.modules) do
    if not self.modules[name] then error(("no comment opens the module '%s'"):format(name), 0) end
  end
  for _, class in ipairs(self.class_list) do
    by_short[class.short] = by_short[class.short] or class
    if not self.modules[class.module] then fail(class, nil, "no module '%s'", class.module) end
    table.insert(self.modules[class.module].class_list, class)
  end
  for _, item in ipairs(self.items) do
    local class = self.classes[item.owner] or item.method and by_short[item.owner]
    if class then
      item.class, item.module, item.name = class, class.module, class.short .. ":" .. item.short
      item.form = item.type and "field" or "method"
      table.insert(class.methods, item)
      class.form = "class"
    else
      item.module = item.owner
      item.form = item.type and "field" or "function"
      local module = self.modules[item.module]
      if not module then fail(item, nil, "%s: no module '%s'", item.name, item.module) end
      table.insert(module.items, item)
    end
  end
  for _, module in pairs(self.modules) do
    table.sort(module.items, by_name)
    table.sort(module.class_list, by_rank)
  end
  note_users(self)
end

--- All that the book documents: modules, their functions and fields, classes, their methods.
---@return docs.Item[]
function Book:everything()
  local list = {}
  for _, name in ipairs(M.modules) do table.insert(list, self.modules[name]) end
  table.move(self.items, 1, #self.items, #list + 1, list)
  return table.move(self.class_list, 1, #self.class_list, #list + 1, list)
end

--- Reads the book out of these files.
---@param paths string[]
---@return docs.Book
function M.read(paths)
  local empty = { modules = {}, classes = {}, class_list = {}, items = {}, private = {} }
  local book = setmetatable(empty, Book)
  for _, path in ipairs(paths) do
    local module = module_of(path)
    local file = { module = PUBLIC[module] and module or nil, tables = {} }
    for _, block in ipairs(source.blocks(path)) do book:read_block(block, file) end
  end
  book:settle()
  return book
end

--- The sources that documentation may stand in; run from the project's root.
---@return string[]
function M.sources()
  local pipe = assert(io.popen("find scripts/luapool scripts/cli bindings runtime/loop/raise.c "
    .. "-name '*.lua' -o -name '*.c' | LC_ALL=C sort"))
  local list = {}
  for path in pipe:lines() do table.insert(list, path) end
  pipe:close()
  return list
end

return M
