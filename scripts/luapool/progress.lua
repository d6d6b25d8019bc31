-- luapool.progress: bars. How they look is in internal.progress.line, when and where they are drawn
-- in internal.progress.board.

local board = require "luapool.internal.progress.board"
local line = require "luapool.internal.progress.line"
local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- Progress bars on stderr, with rate and remaining time. On a terminal they stay at its bottom;
--- elsewhere each bar writes a plain line, at most one in ten seconds; with `--progress off`
--- nothing. Bars of workers are drawn by main, beside its own.
---
--- ```lua
--- local sum = 0
--- for n in progress.wrap({ 1, 2, 3 }, { desc = "adding" }) do sum = sum + n end
--- print(sum) --> 6
--- ```
---@class luapool.progress
local M = {}

--- One line of progress: see `progress.bar`. Leaving the scope of `<close>` closes it.
---@class luapool.progress.Bar
---@field n number how many are done
---@field total? number how many there are
local Bar = { __name = "luapool.progress.Bar" }
Bar.__index = Bar

local KNOWN = { total = "amount", desc = "any", unit = "string" }
local check_wrap = options.define("progress.wrap", KNOWN)
KNOWN = { total = "amount", desc = "any", unit = "string", initial = "amount" }
local check_bar = options.define("progress.bar", KNOWN)

-- `opts` have been checked.
local function new_bar(opts, total)
  local bar = setmetatable({
    n = opts.initial or 0,
    initial = opts.initial or 0,
    total = total,
    desc = line.one_line(opts.desc or ""),
    unit = line.one_line(opts.unit or "it"),
    postfix = "",
  }, Bar)
  board.open(bar)
  return bar
end

---@class luapool.progress.Options
---@field total? number how many there are; without it there is a count and a rate
---@field desc? string stands in front
---@field unit? string what is counted; default "it"
---@field initial? number of `progress.bar`: how many were done before; the rate is without them

--- Opens a bar, to be held in a `<close>` variable.
---
--- ```lua
--- local bar <close> = progress.bar { total = 100, desc = "pages", unit = "page" }
--- bar:update(25)
--- print(bar.n, bar.total) --> 25 100
--- local more <close> = progress.bar { total = 100, initial = 90 } -- of an earlier run
--- more:update()
--- print(more.n) --> 91
--- ```
---@param opts? luapool.progress.Options
---@return luapool.progress.Bar
function M.bar(opts)
  opts = check_bar(opts)
  return new_bar(opts, opts.total)
end

--- Says that so many more are done.
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:update()
--- bar:update(4)
--- print(bar.n) --> 5
--- ```
---@param n? number default 1
function Bar:update(n)
  usage.self(self, Bar, "Bar:update")
  if n ~= nil and math.type(n) ~= "integer" then usage.argument("Bar:update", 1, n, "finite") end
  self.n = self.n + (n or 1)
  board.changed(self)
end

--- Says how many there are, when that turns out later.
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:set_total(10)
--- ```
---@param total number? nil: not known
function Bar:set_total(total)
  usage.self(self, Bar, "Bar:set_total")
  usage.optional("Bar:set_total", 1, total, "amount")
  self.total = total
  board.changed(self)
end

--- Shows something behind the figures, such as "loss=0.1, step=3".
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:set_postfix { loss = 0.1, step = 3 }
--- bar:set_postfix "nearly done"
--- ```
---@param postfix table<string, any>|string?
function Bar:set_postfix(postfix)
  usage.self(self, Bar, "Bar:set_postfix")
  usage.optional("Bar:set_postfix", 1, postfix, "table|string")
  if type(postfix) == "table" then
    local words = {}
    for key, value in pairs(postfix) do
      if math.type(value) == "float" then value = ("%.4g"):format(value) end
      words[#words + 1] = ("%s=%s"):format(key, value)
    end
    table.sort(words)
    postfix = table.concat(words, ", ")
  end
  self.postfix = line.one_line(postfix or "")
  board.changed(self)
end

--- Closes the bar: it stays as it is now, and others are drawn below it. A second call does
--- nothing.
---
--- ```lua
--- local bar = progress.bar { total = 1 }
--- bar:update()
--- bar:close()
--- ```
function Bar:close()
  usage.self(self, Bar, "Bar:close")
  if not self.closed then board.close(self) end
end

Bar.__close = Bar.close

-- What wrap returns: called as the iterator is, closed with the loop.
local Wrapped = { __name = "luapool.progress.wrap" }
Wrapped.__index = Wrapped

--- Closes the bar and what is wrapped; a loop that ends early does it.
---@param cause any
function Wrapped:close(cause)
  usage.self(self, Wrapped, "wrapped:close")
  self.bar:close()
  local inner = self.closing
  self.closing = nil
  local class = getmetatable(inner)
  if type(class) == "table" and class.__close then class.__close(inner, cause) end
end

Wrapped.__close = Wrapped.close
lists.mark(Wrapped)

local function pass(self, ...)
  if self.started then self.bar:update(1) end
  self.started = true
  self.control = ...
  if self.control == nil then self.bar:close() end
  return ...
end

-- The state and the variable of the loop are kept here: so what is wrapped may also be the items of
-- a map, which calls it without arguments.
function Wrapped:__call() return pass(self, self.iterator(self.state, self.control)) end

local function class_of(value)
  local class = getmetatable(value)
  return type(class) == "table" and class or {}
end

local function is_list(value) return type(value) == "table" and not class_of(value).__call end

-- How many values an iterator will give, when that can be told: nil for most.
local function count(iterator, state)
  if iterator == next and type(state) == "table" then
    local n = 0
    for _ in next, state do n = n + 1 end
    return n
  end
  if iterator == ipairs {} and type(state) == "table" then return #state end
  return (is_list(iterator) or class_of(iterator).__len) and #iterator or nil
end

--- Passes on all values of an iterator, or the items of a list, and shows how many there have been.
--- One counts as done when the next is asked for. The total is that of a list, of a map over a
--- list, of `pairs` and `ipairs`. What `pairs` and the like return is taken whole, without
--- options; with options it goes through `task.iter`.
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- local results = p:map(string.upper, { "a", "b" })
--- for i, text in progress.wrap(results, { unit = "word" }) do print(i, text) end
--- --> 1 A
--- --> 2 B
--- for key, value in progress.wrap(pairs { x = 1 }) do print(key, value) end --> x 1
--- local iterator = task.iter(pairs { y = 2 })
--- for key, value in progress.wrap(iterator, { desc = "keys" }) do print(key, value) end --> y 2
--- ```
---@param iterator function|table a callable, such as what `pool:map` returns, or a list
---@param opts? luapool.progress.Options
---@param ... any the rest of what an iterator like `pairs` returns
---@return fun(...): any iterator
function M.wrap(iterator, opts, ...)
  local state, control, closing
  if select("#", ...) > 0 then -- what a `for` loop would get
    state, opts = opts, nil
    control, closing = ...
  end
  if type(iterator) ~= "function" and not class_of(iterator).__call and not is_list(iterator) then
    usage.expected("progress.wrap", 1, "an iterator or a list", iterator)
  end
  if iterator == next and state == nil then
    usage.raise("progress.wrap", "'pairs' gives more than an iterator, with options: "
      .. "progress.wrap(task.iter(pairs(t)), options)")
  end
  opts = check_wrap(opts)
  local wrapped = setmetatable({
    iterator = is_list(iterator) and lists.iterate(iterator) or iterator,
    state = state,
    control = control,
    closing = closing or not is_list(iterator) and iterator or nil,
    bar = new_bar(opts, opts.total or count(iterator, state)),
  }, Wrapped)
  return wrapped, nil, nil, wrapped
end

return M
