-- Of the library lp1: what there is; and the functions are made known.
--@text

-- lp1_get: id. Answers the fields of a job. Whoever sleeps is woken when it ends.
function lp.f_get(keys, args)
  local c = lp.begin(keys)
  local key = lp.job_key(c, args[1])
  local state = call("HGET", key, "s")
  if not state then return {} end
  if state < lp.DONE and call("HSETNX", key, "z", "1") == 1 then call("HSET", key, "sp", "1") end
  return call("HGETALL", key)
end

-- lp1_kids: id of a job of a flow. Answers id, kind, state, result and error of each that it
-- has waited for, by the order of their puts.
function lp.f_kids(keys, args)
  local c, list = lp.begin(keys), {}
  for _, id in ipairs(call("ZRANGE", c.p .. "kids:" .. args[1], 0, -1)) do
    local v = call("HMGET", lp.job_key(c, id), "k", "s", "r", "f")
    if v[1] then list[#list + 1] = { id, v[1], v[2], v[3], v[4] } end
  end
  return list
end

-- lp1_list: states, kind or "", how many, id of the last one seen or "", seq to begin behind.
-- Answers the seq to go on from, or -1 when there is no more, then of each job its id and fields.
function lp.f_list(keys, args)
  local c = lp.begin(keys)
  local most, from, list, last = tonumber(args[3]), args[5], {}, nil
  if args[4] ~= "" then from = call("HGET", lp.job_key(c, args[4]), "q") or "+inf" end
  local name = args[1] == lp.FAILED and args[2] ~= "" and "dead:" .. args[2] or "all"
  local ids = call("ZRANGEBYSCORE", c.p .. name, "(" .. from, "+inf", "LIMIT", 0, 500)
  for i, id in ipairs(ids) do
    local v = call("HMGET", lp.job_key(c, id), "s", "k", "q")
    if v[1] and string.find(args[1], v[1], 1, true) and (args[2] == "" or v[2] == args[2]) then
      list[#list + 1] = { id, call("HGETALL", lp.job_key(c, id)) }
    end
    last = v[3] or last
    if #list == most and i < #ids then return { last, unpack(list) } end
  end
  return { #ids == 500 and last or "-1", unpack(list) }
end

-- When the first of those that may start was put: the first of each priority is looked at.
local function oldest(c, kind)
  local key, first, from = c.p .. "ready:" .. kind, nil, "-inf"
  while true do
    local head = call("ZRANGEBYSCORE", key, from, "+inf", "WITHSCORES", "LIMIT", 0, 1)
    if not head[1] then return first end
    local put = tonumber(call("HGET", lp.job_key(c, head[1]), "u"))
    if not first or put < first then first = put end
    from = lp.text((math.floor(head[2] / lp.score(99, 0)) + 1) * lp.score(99, 0))
  end
end

-- lp1_stats: answers of each kind: name, paused, age of the oldest in seconds or -1, counts.
function lp.f_stats(keys)
  local c, list = lp.begin(keys), {}
  for _, kind in ipairs(call("SMEMBERS", c.p .. "kinds")) do
    local first = oldest(c, kind)
    list[#list + 1] = { kind, call("SISMEMBER", c.p .. "paused", kind),
      first and tostring((c.now - first) / 1e6) or "-1", call("HGETALL", c.p .. "count:" .. kind) }
  end
  return list
end

-- lp1_cron_last: name. Answers the minute of the latest tick.
function lp.f_cron_last(keys, args)
  local c = lp.begin(keys)
  return call("HGET", c.p .. "cron", args[1])
end

-- The library may use little while it is loaded: no ipairs, for one.
local function register(names, flags)
  for i = 1, #names do
    redis.register_function { function_name = "lp1_" .. names[i], callback = lp["f_" .. names[i]],
      flags = flags }
  end
end

-- Only what brings jobs is refused when the memory of the server is full: the others are what
-- empties it.
register({ "put", "cron" }, {})
register({ "settle", "sweep", "kinds", "renew", "crashed", "progress", "leave", "cancel", "pause",
  "retry", "purge", "get" }, { "allow-oom" })
register({ "own", "kids", "list", "stats", "cron_last" }, { "no-writes" })

redis.register_function { function_name = "lp1_revision", flags = { "no-writes" },
  callback = function() return lp.REVISION end }
