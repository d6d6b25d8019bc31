-- internal.redis.client: the client of luapool.redis: commands, pipelines, transactions, channels,
-- scripts. What becomes of its connections stands in engine.lua and link.lua.
--@whole

local commands = require "luapool.internal.redis.commands"
local core = require "luapool.redis.core"
local digest = require "luapool.digest.core"
local engines = require "luapool.internal.redis.engine"
local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local options = require "luapool.internal.options"
local pipelines = require "luapool.internal.redis.pipeline"
local subscriptions = require "luapool.internal.redis.subscription"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local INSIDE = pipelines.INSIDE

local M = {}

--- A client: see `redis.connect`.
---@within redis
---@class luapool.redis.Client
local Client = { __name = "luapool.redis.Client" }

-- It cannot be sent to a worker.
function Client.__refer() return nil, "a client of Redis: each worker connects by itself" end

local function engine_of(self, method)
  if getmetatable(self) ~= Client then errors.not_self(method, Client.__name, self) end
  return rawget(self, INSIDE)
end

-- ---- one command ----

-- A command that waits in the server has a connection of its own. One without a limit waits in
-- turns, so that a server that is gone is noticed.
local TURN = 30

local function run_alone(engine, call, timeout)
  local link = engine:take()
  local _ <close> = setmetatable({}, { __close = function() engine:give_back(link) end })
  link:post(call)
  engine:await(call, timeout)
end

local function make_call(where, given, ...)
  if given == 0 then usage.argument(where, 1, (...), "string") end
  local call = links.call(where, core.encode(where, given, ...), { ((...):upper()) })
  call.reads = commands.reads[call.names[1]]
  return call
end

local function result(call)
  local replies = call.replies
  local text = replies[2]
  if not text then return replies[1] end
  pipelines.raise(call.where, call.names[1], text)
end

local function wait_in_server(engine, where, given, place, unit, args)
  local limit = tonumber(args[place])
  if not limit or limit < 0 then limit = 0.001 end -- the server says what is wrong
  repeat
    local seconds = limit > 0 and limit / unit or TURN
    if limit == 0 then args[place] = math.tointeger(TURN * unit) end
    local call = make_call(where, given, table.unpack(args, 1, args.n))
    call.waits, call.reads = seconds, false
    run_alone(engine, call, seconds + engine.opts.timeout)
    local value = result(call)
    if value ~= nil or limit > 0 then return value end
  until false
end

local function run(self, where, given, ...)
  local engine = engine_of(self, where)
  engine:check_open(where)
  local call = make_call(where, given, ...)
  local name = call.names[1]
  if commands.refused[name] or name == "CLIENT" then pipelines.check(where, name, { ... }) end
  local args = table.pack(...)
  local place, unit = commands.limit(name, args)
  if place then return wait_in_server(engine, where, given, place, unit, args) end
  engine:post(call)
  engine:await(call)
  return result(call)
end

--- Runs a command and returns its reply.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- print(client:command("SET", "a", 1), client:command("GET", "a")) --> OK 1
--- ```
---@async
---@param ... string|number|table its words
---@return any reply
---@raises redis fields `code` and `command`
---@raises connect
---@raises timeout field `sent`
---@raises aborted
---@raises closed
function Client:command(...) return run(self, "Client:command", 0, ...) end

-- Methods of commands, which are made when they are first called.
local made = {}

local function make_method(name)
  local method = made[name] or pipelines.method("Client", name, run)
  if not method or made[name] then return method end
  local first, second = commands.words(name)
  local convert = commands.convert[second and first .. " " .. second or first]
  local plain = method
  if convert then method = function(...) return convert(plain(...)) end end
  made[name] = method
  return method
end

function Client.__index(_, name) return Client[name] or make_method(name) end

-- ---- several commands ----

local check_pipeline = options.define("Client:pipeline", { return_errors = "boolean" })

---@within redis
---@class luapool.redis.PipelineOptions
---@field return_errors? boolean raise no error of a command, return a second table with the errors

--- Sends several commands at once and returns their replies. `fn` gets an object with a method for
--- every command, which collects them and returns nothing. The first error of a command is raised
--- after all have run; with `return_errors` the second result holds each error at the place of its
--- command.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local replies = client:pipeline(function(p)
---   p:set("a", 5)
---   p:incr "a"
---   p:get "nothing"
--- end)
--- print(replies[1], replies[2], replies[3], replies.n) --> OK 6 nil 3
--- ```
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local replies, errs = client:pipeline(function(p)
---   p:set("a", "text")
---   p:incr "a"
--- end, { return_errors = true })
--- print(replies[1], errs[2].code) --> OK ERR
--- ```
---@async
---@param fn fun(p: luapool.redis.Pipeline)
---@param opts? luapool.redis.PipelineOptions
---@return table replies with their number in `n`
---@return table? errors
---@raises redis fields `code` and `command`
---@raises connect
---@raises timeout field `sent`
---@raises aborted
---@raises closed
function Client:pipeline(fn, opts)
  local where = "Client:pipeline"
  local engine = engine_of(self, where)
  opts = check_pipeline(opts)
  usage.argument(where, 1, fn, "callable")
  engine:check_open(where)
  local inside = pipelines.collect(fn)
  if not inside then return { n = 0 }, opts.return_errors and {} or nil end
  local call = pipelines.call(where, inside)
  engine:post(call)
  engine:await(call)
  return pipelines.results(where, inside, call.replies, opts.return_errors)
end

local check_transaction = options.define("Client:transaction", {
  watch = "string|table", attempts = "count",
})

---@within redis
---@class luapool.redis.TransactionOptions
---@field watch? string|string[] keys: when somebody changes one of them meanwhile, nothing is done
--- and `fn` is called again
---@field attempts? integer how often it is called at most; 10 unless said

-- The replies of a transaction, or nil when a watched key was changed.
local function executed(where, inside, call)
  local n, replies = call.n, call.replies
  for i = 2, n - 1 do -- one that could not be queued says why nothing was done
    if replies[n + i] then pipelines.raise(where, call.names[i], replies[n + i]) end
  end
  if replies[n + n] then pipelines.raise(where, "EXEC", replies[n + n]) end
  local list = replies[n]
  if not list then return nil end
  local flat = {}
  for i = 1, #inside.names do
    local value = list[i]
    if errors.is(value) then
      flat[#inside.names + i] = value.message
    else
      flat[i] = value
    end
  end
  return pipelines.results(where, inside, flat)
end

local function watch_once(engine, where, fn, keys)
  local link = engine:take()
  local _ <close> = setmetatable({}, { __close = function()
    if not link.settled then link:close(errors.new("aborted", "the transaction was left")) end
    engine:give_back(link)
  end })
  link.settled = false
  local function ask(call)
    link:post(call)
    engine:await(call)
    return call
  end
  result(ask(make_call(where, 1, "WATCH", keys)))
  local reader = setmetatable({ [INSIDE] = setmetatable({
    post = function(_, call) link:post(call) end,
  }, { __index = engine }) }, Client)
  local inside = pipelines.collect(fn, reader)
  if not inside then
    result(ask(make_call(where, 1, "UNWATCH")))
    link.settled = true
    return { n = 0 }
  end
  local call = ask(pipelines.transaction(where, inside))
  link.settled = true
  return executed(where, inside, call)
end

--- Runs several commands as one: nobody else's come between them. `fn` collects them as for
--- `Client:pipeline`. With `watch`, `fn` gets a client as its second argument, by which it
--- reads what it needs; when one of the watched keys was changed before the commands ran, none
--- of them has run, and `fn` is called again.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- print(client:transaction(function(t)
---   t:set("a", 1)
---   t:incr "a"
--- end)[2]) --> 2
--- client:transaction(function(t, now)
---   t:set("a", now:get "a" * 10)
--- end, { watch = "a" })
--- print(client:get "a") --> 20
--- print(select(2, pcall(client.transaction, client, function(t)
---   client:incr "a" -- by somebody else
---   t:incr "a"
--- end, { watch = "a", attempts = 2 })).kind) --> conflict
--- ```
---@async
---@param fn fun(t: luapool.redis.Pipeline, now: luapool.redis.Client)
---@param opts? luapool.redis.TransactionOptions
---@return table replies with their number in `n`
---@raises redis fields `code` and `command`
---@raises conflict
---@raises connect
---@raises timeout field `sent`
---@raises aborted
---@raises closed
function Client:transaction(fn, opts)
  local where = "Client:transaction"
  local engine = engine_of(self, where)
  opts = check_transaction(opts)
  usage.argument(where, 1, fn, "callable")
  engine:check_open(where)
  if not opts.watch then
    local inside = pipelines.collect(fn)
    if not inside then return { n = 0 } end
    local call = pipelines.transaction(where, inside)
    engine:post(call)
    engine:await(call)
    return executed(where, inside, call)
  end
  local attempts = opts.attempts or 10
  for attempt = 1, attempts do
    local replies = watch_once(engine, where, fn, opts.watch)
    if replies then return replies end
    task.sleep(math.random() * 0.001 * attempt)
  end
  local text = "%s: what it watches was changed in each of %d attempts"
  errors.raise("conflict", text:format(where, attempts))
end

-- ---- channels ----

local check_subscribe = options.define("Client:subscribe", {
  patterns = "string|table", on_reconnect = "callable",
})

---@within redis
---@class luapool.redis.SubscribeOptions
---@field patterns? string|string[] also the channels whose names fit ("news.*")
---@field on_reconnect? fun() is called when the connection was made anew: messages may be lost

local function names_of(where, what, value)
  local list = type(value) == "table" and value or { value }
  for i, name in ipairs(list) do
    if type(name) ~= "string" then
      usage.raise(where, "%s %d must be a string, got %s", what, i, usage.describe(name))
    end
  end
  return list
end

--- Subscribes to channels, over a connection of its own. It is confirmed when this returns. In a
--- `for` loop it gives each message with its channel, and the pattern where one was asked for; the
--- end of the loop closes it. The connection is made anew when it ends.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local opts = { patterns = "weather.*", on_reconnect = function() print "some may be lost" end }
--- local news = client:subscribe("news", opts)
--- client:publish("weather.north", "rain")
--- for message, channel, pattern in news do
---   print(message, channel, pattern) --> rain weather.north weather.*
---   break
--- end
--- news:close()
--- ```
---@async
---@param channels string|string[]
---@param opts? luapool.redis.SubscribeOptions
---@return luapool.redis.Subscription
---@raises redis fields `code` and `command`
---@raises connect
---@raises closed
function Client:subscribe(channels, opts)
  local where = "Client:subscribe"
  local engine = engine_of(self, where)
  opts = check_subscribe(opts)
  usage.argument(where, 1, channels, "string|table")
  engine:check_open(where)
  local list = names_of(where, "channel", channels)
  local patterns = names_of(where, "pattern", opts.patterns)
  if #list + #patterns == 0 then usage.raise(where, "no channel") end
  return subscriptions.new(engine, list, patterns, opts.on_reconnect)
end

-- ---- scripts ----

--- A script in Lua that the server runs: see `Client:script`. It is called with a list of keys and
--- further arguments.
---@operator call: any
---@within redis
---@class luapool.redis.Script
local Script = { __name = "luapool.redis.Script" }

Script.__refer = Client.__refer

function Script:__call(keys, ...)
  if keys ~= nil then usage.argument("Script", 1, keys, "table") end
  keys = keys or {}
  local ok, reply = pcall(run, self.client, "Script", 2, "EVALSHA", self.sha, #keys, keys, ...)
  if ok then return reply end
  if not errors.is(reply, "redis") or reply.code ~= "NOSCRIPT" then error(reply, 0) end
  return run(self.client, "Script", 2, "EVAL", self.text, #keys, keys, ...)
end

--- Makes a function of a script in Lua that the server runs as one command. The text is sent
--- when the server does not know it yet, after that only its digest.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local add = client:script "return redis.call('INCRBY', KEYS[1], ARGV[1]) * 2"
--- print(add({ "n" }, 5), add({ "n" }, 5)) --> 10 20
--- ```
---@param text string
---@return luapool.redis.Script script called with a list of keys and further arguments, it returns
--- the reply
function Client:script(text)
  engine_of(self, "Client:script")
  usage.argument("Client:script", 1, text, "string")
  return setmetatable({ client = self, text = text, sha = digest.sha1(text) }, Script)
end

-- ---- its life ----

--- Closes the connections. Calls that wait fail with kind `closed`, and so do all later ones. Safe
--- twice.
---
--- ```lua
--- local client = redis.connect(redis_url)
--- client:close()
--- print(select(2, pcall(client.get, client, "a")).kind) --> closed
--- ```
function Client:close()
  local engine = engine_of(self, "Client:close")
  for subscription in pairs(engine.subscriptions) do subscription:close() end
  engine:close()
end

Client.__close = Client.close

--- A client of an address that has been parsed.
---@param address luapool.redis.Address
---@param opts table as of redis.connect
---@return luapool.redis.Client
function M.new(address, opts)
  opts = setmetatable({
    timeout = opts.timeout or 5, connect_timeout = opts.connect_timeout or 5,
    secure = address.tls and
      require "luapool.internal.net.tls".new("redis.connect", opts.tls or {}) or nil,
  }, { __index = opts })
  local engine = engines.new(address, opts)
  local client = setmetatable({ [INSIDE] = engine }, Client)
  if not opts.lazy then engine:open() end
  return client
end

return M
