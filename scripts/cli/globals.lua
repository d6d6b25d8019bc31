-- cli.globals: finds where a source uses global names: a parser that keeps nothing but the
-- scopes of local names. The source compiles, so errors need no care. Used by `luapool check`.

local lexer = require "cli.lexer"

local M = {}

---@class cli.globals.use
---@field name string
---@field line integer
---@field write boolean it is assigned to
---@field within integer[] first lines of the functions around it, the outermost first

local Parser = {}
Parser.__index = Parser

function Parser:kind() return self.tokens[self.at].kind end

function Parser:next()
  local token = self.tokens[self.at]
  self.at = self.at + 1
  return token
end

function Parser:accept(kind)
  return self:kind() == kind and self:next() or nil
end

-- Scopes: a table of names, whose metatable leads to the scope around it.
function Parser:open()
  self.scope = setmetatable({}, { __index = self.scope, outer = self.scope })
end

function Parser:close() self.scope = getmetatable(self.scope).outer end

function Parser:declare(names)
  for _, name in ipairs(names) do self.scope[name] = true end
end

-- With a local _ENV there are no global names, but for the fields of _G.
function Parser:use(token, write)
  local is_local = self.scope[token.text] or self.scope._ENV or token.text == "_ENV"
  if is_local and not token.global then return end
  table.insert(self.uses, {
    name = token.text,
    line = token.line,
    write = write,
    within = table.move(self.within, 1, #self.within, 1, {}),
  })
end

-- function body: from "(" to "end".
function Parser:body(line, method)
  table.insert(self.within, line)
  self:open()
  if method then self:declare { "self" } end
  self:next()
  while not self:accept(")") do
    local token = self:next()
    if token.kind == "name" then self:declare { token.text } end
  end
  self:block()
  self:next()
  self:close()
  table.remove(self.within)
end

function Parser:table()
  while not self:accept("}") do
    if self:accept("[") then
      self:expression()
      self:next()
      self:next()
    elseif self:kind() == "name" and self.tokens[self.at + 1].kind == "=" then
      self.at = self.at + 2
    end
    self:expression()
    if not self:accept(",") then self:accept(";") end
  end
end

function Parser:expressions()
  repeat self:expression() until not self:accept(",")
end

-- What may follow a primary expression, one at a time: false when nothing does.
local suffixes = {
  ["."] = function(self) self:next() end,
  ["["] = function(self)
    self:expression()
    self:next()
  end,
  [":"] = function(self) self:next() end,
  ["("] = function(self)
    if self:accept(")") then return end
    self:expressions()
    self:next()
  end,
  ["{"] = function(self) self:table() end,
  value = function() end,
}

function Parser:suffix()
  local parse = suffixes[self:kind()]
  if not parse then return false end
  self:next()
  parse(self)
  return true
end

local whole = { _G = true, _ENV = true }

-- The next token. `_G.name` and `_ENV.name` are one: the global `name`.
function Parser:name()
  local token = self:next()
  local is_field = whole[token.text] and not self.scope[token.text] and self:kind() == "."
  if not is_field then return token end
  self:next()
  local name = self:next()
  return { kind = "name", text = name.text, line = name.line, global = true }
end

-- A name or (expression) with its suffixes. A bare name is handed back, for it may be assigned to.
function Parser:primary()
  local token = self:name()
  if token.kind == "(" then
    self:expression()
    self:next()
  elseif not suffixes[self:kind()] then
    return token
  else
    self:use(token, false)
  end
  while self:suffix() do end
  return nil
end

local unary = { ["not"] = true, ["-"] = true, ["#"] = true, ["~"] = true }
local simple = { value = true, ["nil"] = true, ["true"] = true, ["false"] = true, ["..."] = true }
local binary = {}
for operator in ("+ - * / // % ^ .. == ~= < <= > >= and or & | ~ << >>"):gmatch("%S+") do
  binary[operator] = true
end

function Parser:operand()
  while unary[self:kind()] do self:next() end
  local token = self.tokens[self.at]
  if simple[token.kind] then
    self:next()
  elseif self:accept("{") then
    self:table()
  elseif self:accept("function") then
    self:body(token.line)
  else
    local name = self:primary()
    if name then self:use(name, false) end
  end
end

function Parser:expression()
  self:operand()
  while binary[self:kind()] do
    self:next()
    self:operand()
  end
end

-- Names with attributes, up to what is no comma.
function Parser:names()
  local names = {}
  repeat
    table.insert(names, self:next().text)
    if self:accept("<") then self.at = self.at + 2 end
  until not self:accept(",")
  return names
end

function Parser:scoped_block(ending)
  self:open()
  self:block()
  if ending then ending(self) end
  self:close()
end

local statements = {}

statements["local"] = function(self, token)
  if self:accept("function") then
    self:declare { self:next().text }
    return self:body(token.line)
  end
  local names = self:names()
  if self:accept("=") then self:expressions() end
  self:declare(names)
end

statements["function"] = function(self, token)
  local name, method = self:next(), false
  local bare = self:kind() == "("
  self:use(name, bare)
  while self:kind() ~= "(" do method = self:next().kind == ":" or method end
  self:body(token.line, method)
end

statements["if"] = function(self)
  self:expression()
  self:next()
  self:scoped_block()
  local token = self:next()
  if token.kind == "elseif" then return statements["if"](self) end
  if token.kind == "else" then
    self:scoped_block()
    self:next()
  end
end

statements["while"] = function(self)
  self:expression()
  self:next()
  self:scoped_block()
  self:next()
end

statements["do"] = function(self)
  self:scoped_block()
  self:next()
end

statements["repeat"] = function(self)
  self:scoped_block(function()
    self:next()
    self:expression()
  end)
end

statements["for"] = function(self)
  local names = self:names()
  self:next()
  self:expressions()
  self:next()
  self:open()
  self:declare(names)
  self:block()
  self:close()
  self:next()
end

statements["return"] = function(self)
  local last = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true,
    ["end of file"] = true, [";"] = true }
  if not last[self:kind()] then
    if #self.within == 0 then self.returns = true end
    self:expressions()
  end
end

statements["goto"] = function(self) self:next() end
statements["::"] = function(self) self.at = self.at + 2 end
statements["break"] = function() end
statements[";"] = function() end

-- A call, or an assignment to one place or several.
function Parser:other_statement()
  local names = {}
  repeat
    local name = self:primary()
    if name then table.insert(names, name) end
  until not self:accept(",")
  if self:accept("=") then self:expressions() end
  for _, name in ipairs(names) do self:use(name, true) end
end

local block_end = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true,
  ["end of file"] = true }

function Parser:block()
  while not block_end[self:kind()] do
    local parse = statements[self:kind()]
    if parse then parse(self, self:next()) else self:other_statement() end
  end
end

--- Where a source uses global names, and whether its main chunk returns something.
---@param source string Lua that compiles
---@return cli.globals.use[] uses
---@return boolean returns
function M.find(source)
  local tokens = lexer.tokens((source:gsub("^#[^\n]*", "")))
  local parser = { tokens = tokens, at = 1, uses = {}, within = {}, returns = false, scope = {} }
  setmetatable(parser, Parser)
  parser:open()
  parser:block()
  return parser.uses, parser.returns
end

return M
