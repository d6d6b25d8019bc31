-- Colours code for the site: comments, strings, keywords and numbers of Lua, C and the shell, each
-- in a <span class="…"> of its own. Whatever it does not know stays as it is. Plain Lua 5.4.

local M = {}

local function set(words)
  local all = {}
  for word in words:gmatch "%S+" do all[word] = true end
  return all
end

-- Patterns that begin with "^", tried in this order, and what must stand before them; a word is a
-- keyword when it is in `keywords`.
local LUA = {
  { "comment", "^%-%-%[(=*)%[.-%]%1%]" },
  { "comment", "^%-%-[^\n]*" },
  { "string", "^%[(=*)%[.-%]%1%]" },
  { "number", "^%d[%w.]*" },
  quotes = true,
  keywords = set [[and break do else elseif end false for function goto if in local nil not or
    repeat return then true until while]],
}
local C = {
  { "comment", "^/%*.-%*/" },
  { "comment", "^//[^\n]*" },
  { "comment", "^#%s*%a+[^\n]*" },
  { "number", "^%d[%w.]*" },
  quotes = true,
  keywords = set [[break case char const continue default do double else enum extern float for goto
    if int int64_t long return short size_t sizeof static struct switch typedef union unsigned void
    while bool true false NULL auto class namespace using]],
}
local SHELL = {
  { "comment", "^#[^\n]*", "%s" },
  quotes = true,
  keywords = set "case do done elif else esac export fi for if in set shift then until while",
}
-- Commands and what they print, as they stand in a text.
local TERMINAL = { { "comment", "^#[^\n]*", "%s" }, keywords = {} }

local LANGUAGES = { terminal = TERMINAL, lua = LUA, c = C, h = C, cpp = C, hpp = C, sh = SHELL }

-- A text between quotes, on one line, with what is escaped in it.
local function quoted(code, at)
  local mark, i = code:sub(at, at), at + 1
  while true do
    local stop = code:find("[\\\n" .. mark .. "]", i)
    if not stop then return nil end
    local c = code:sub(stop, stop)
    if c == mark then return stop end
    if c == "\n" then return nil end
    i = stop + 2
  end
end

-- What begins at a place: its class, and where it ends.
local function token(language, code, at)
  for _, rule in ipairs(language) do
    local _, stop = code:find(rule[2], at)
    local before = at == 1 and "\n" or code:sub(at - 1, at - 1)
    if stop and (not rule[3] or before:find(rule[3])) then return rule[1], stop end
  end
  local c = code:sub(at, at)
  if language.quotes and (c == '"' or c == "'") then
    local stop = quoted(code, at)
    if stop then return "string", stop end
  end
  local _, stop = code:find("^[%a_][%w_]*", at)
  if stop then return language.keywords[code:sub(at, stop)] and "keyword" or nil, stop end
  return nil, at
end

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

--- A text as HTML.
---@param text string
---@return string
function M.escape(text) return (text:gsub('[&<>"]', ESCAPES)) end

--- Code as HTML; of a language that is not known without colours.
---@param code string
---@param name string|nil of the language, or what a file's name ends with
---@return string
function M.html(code, name)
  local language = LANGUAGES[name]
  if not language then return M.escape(code) end
  local out, at = {}, 1
  while at <= #code do
    local class, stop = token(language, code, at)
    local text = M.escape(code:sub(at, stop))
    table.insert(out, class and ('<span class="%s">%s</span>'):format(class, text) or text)
    at = stop + 1
  end
  return table.concat(out)
end

return M
