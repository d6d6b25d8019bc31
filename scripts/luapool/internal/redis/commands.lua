-- internal.redis.commands: what is to be known of commands of Redis: which ones may be sent a
-- second time, which ones wait in the server, and which ones change the connection itself.
--@whole

local M = {}

local function set(names)
  local t = {}
  for name in names:gmatch "%S+" do t[name] = true end
  return t
end

--- Commands that only read: where it is not known whether the server has run one, it is sent again.
M.reads = set [[
  BITCOUNT BITFIELD_RO BITPOS DBSIZE DUMP ECHO EVAL_RO EVALSHA_RO EXISTS EXPIRETIME FCALL_RO
  GEODIST GEOHASH GEOPOS GEORADIUS_RO GEORADIUSBYMEMBER_RO GEOSEARCH GET GETBIT GETRANGE HEXISTS
  HGET HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN HSTRLEN HVALS INFO KEYS LCS LINDEX LLEN LPOS
  LRANGE MGET PEXPIRETIME PING PTTL RANDOMKEY ROLE SCAN SCARD SDIFF SINTER SINTERCARD SISMEMBER
  SMEMBERS SMISMEMBER SORT_RO SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TIME TTL TYPE XINFO XLEN
  XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER
  ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK
  ZSCAN ZSCORE ZUNION
]]

--- Commands that change the connection, which all tasks share, and what to use in their place.
M.refused = {
  AUTH = "give the password with the URL or as an option of redis.connect",
  DISCARD = "use Client:transaction",
  EXEC = "use Client:transaction",
  HELLO = "the client speaks RESP 2",
  MONITOR = "it never ends",
  MULTI = "use Client:transaction",
  PSUBSCRIBE = "use Client:subscribe",
  PSYNC = "it never ends",
  PUNSUBSCRIBE = "use Client:subscribe",
  QUIT = "use Client:close",
  RESET = "a client has one state",
  SELECT = "give the number of the database with the URL",
  SSUBSCRIBE = "use Client:subscribe",
  SUBSCRIBE = "use Client:subscribe",
  SUNSUBSCRIBE = "use Client:subscribe",
  SYNC = "it never ends",
  UNSUBSCRIBE = "use Client:subscribe",
  UNWATCH = "use Client:transaction",
  WATCH = "use the option `watch` of Client:transaction",
}

-- Where the limit of a command that waits stands: its place, from the end when it is negative.
local limits = {
  BLPOP = -1, BRPOP = -1, BZPOPMIN = -1, BZPOPMAX = -1, BRPOPLPUSH = -1, BLMOVE = -1,
  BLMPOP = 2, BZMPOP = 2,
}

--- The place of the limit of a command that waits in the server, and how many of its units make a
--- second; nil for all other commands.
---@param name string in capitals
---@param args table
---@return integer? place, integer? unit
function M.limit(name, args)
  local place = limits[name]
  if place then return place > 0 and place or args.n + 1 + place, 1 end
  if name ~= "XREAD" and name ~= "XREADGROUP" then return nil end
  for i = 2, args.n - 1 do
    local word = type(args[i]) == "string" and args[i]:upper()
    if word == "BLOCK" then return i + 1, 1000 end
    if word == "STREAMS" then return nil end
  end
  return nil
end

-- These end with "_RO", which is no second word.
local function is_one_word(name) return name:find "_RO$" ~= nil end

--- The words of a command, out of the name of a method: "client_list" is CLIENT LIST.
---@param name string
---@return string first, string? second
function M.words(name)
  name = name:upper()
  local first, second = name:match "^([^_]+)_(.+)$"
  if not first or is_one_word(name) then return name end
  return first, (second:gsub("_", "-"))
end

-- By these a server says that it is the wrong one, or not yet ready: it has run nothing.
local refusals = { READONLY = true, LOADING = true, MASTERDOWN = true }

local function is_refusal(text) return text and refusals[text:match "^%u+"] or false end

--- The text by which the server has refused all commands of a call; nil when it has not, or has
--- run some of them.
---@param call luapool.internal.net.Call with `atomic`: they run together or not at all
---@return string?
function M.refusal(call)
  local replies, n = call.replies, call.n
  if n == 1 then return is_refusal(replies[2]) and replies[2] or nil end
  if not call.atomic or replies[n] then return nil end
  for i = 1, n do
    if is_refusal(replies[n + i]) then return replies[n + 1] or "READONLY" end
  end
  return nil
end

local function to_map(list)
  if type(list) ~= "table" then return list end
  local map = {}
  for i = 1, #list, 2 do map[list[i]] = list[i + 1] end
  return map
end

--- What a method makes of the reply.
M.convert = { HGETALL = to_map, ["CONFIG GET"] = to_map }

return M
