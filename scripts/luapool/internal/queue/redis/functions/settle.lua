-- Of the library lp1: what is due is seen to, jobs end or go back, and others are claimed.
--@text

-- ---- what is due ----

local function due(c, name)
  if c.rows <= 0 then return {} end
  local ids = call("ZRANGEBYSCORE", c.p .. name, "-inf", c.clock, "LIMIT", 0, c.rows)
  c.rows = c.rows - #ids
  return ids
end

local DIED = '{"kind":"worker_died","message":"the process that ran it is gone"}'

-- The process that ran a job is gone.
local function recover(c, id)
  local job, key = lp.load(c, id), lp.job_key(c, id)
  local conf, losses = lp.conf(c, job.k), call("HINCRBY", key, "l", 1)
  if job.g then
    lp.to_ended(c, job, lp.CANCELLED)
  elseif conf.lost_fails or losses > conf.host_retries then
    call("HSET", key, "f", DIED)
    lp.to_ended(c, job, lp.FAILED)
  else
    lp.to_waiting(c, job)
  end
end

-- An owner whose lease has run out loses what it has, a part at a time. It is told so when it
-- is alive after all: `lost` is set.
local function recover_owners(c)
  local owner = call("ZRANGEBYSCORE", c.p .. "owners", "-inf", c.clock, "LIMIT", 0, 1)[1]
  if not owner or c.rows <= 0 then return end
  local ids = call("ZRANGE", c.p .. "own:" .. owner, 0, c.rows - 1)
  c.rows = c.rows - #ids
  for _, id in ipairs(ids) do recover(c, id) end
  if call("EXISTS", c.p .. "own:" .. owner) == 0 then
    call("ZREM", c.p .. "owners", owner)
    call("DEL", c.p .. "cancel:" .. owner)
  end
end

-- Promotes, expires, drops and recovers: a hundred at most.
function lp.sweep(c)
  for _, id in ipairs(due(c, "expire")) do
    call("ZREM", c.p .. "expire", id)
    local job = lp.load(c, id)
    if job and (job.s == lp.WAITING or job.s == lp.SCHEDULED) then
      lp.to_ended(c, job, lp.EXPIRED)
    end
  end
  for _, id in ipairs(due(c, "scheduled")) do
    local job = lp.load(c, id)
    if job then lp.to_waiting(c, job) else call("ZREM", c.p .. "scheduled", id) end
  end
  recover_owners(c)
  for _, id in ipairs(due(c, "kept")) do
    local job = lp.load(c, id)
    if job then lp.drop(c, job) else call("ZREM", c.p .. "kept", id) end
  end
end

-- ---- results ----

-- A job goes back among those that wait, now or later, unless it was cancelled.
local function go_on(c, job, delay)
  if job.g then
    lp.to_ended(c, job, lp.CANCELLED)
  elseif delay > 0 then
    lp.to_scheduled(c, job, c.now + delay)
  else
    lp.to_waiting(c, job)
  end
end

-- An attempt is taken back.
local function uncharge(c, job)
  job.n = lp.text(call("HINCRBY", lp.job_key(c, job.id), "n", -1))
end

-- A job that concerns no other one is done: what all of these need is done together, by
-- `flush_done`.
local function done_plainly(c, id, kind, value)
  local done, ttl = c.done, lp.conf(c, kind).ttl or 0
  done.own[#done.own + 1] = id
  lp.count(c, kind, "running", -1)
  lp.count(c, kind, "done", 1)
  if ttl > 0 then
    call("HSET", lp.job_key(c, id), "s", lp.DONE, "e", c.clock, "m", lp.text(ttl),
      value ~= "" and "r" or "m", value ~= "" and value or lp.text(ttl))
    done.kept[#done.kept + 1] = lp.text(c.now + ttl)
    done.kept[#done.kept + 1] = id
  else
    call("DEL", lp.job_key(c, id))
    done.all[#done.all + 1] = id
  end
end

local function flush_done(c, owner)
  lp.in_parts("ZREM", c.p .. "own:" .. owner, c.done.own, 1)
  lp.in_parts("ZREM", c.p .. "all", c.done.all, 1)
  lp.in_parts("ZADD", c.p .. "kept", c.done.kept, 2)
end

-- One result: outcome, text (of the value, else of the error), options. `o` has the options.
local function settle(c, job, outcome, text, o)
  local key, has_text = lp.job_key(c, job.id), text ~= ""
  if outcome == "done" then
    if has_text then call("HSET", key, "r", text) end
    lp.to_ended(c, job, lp.DONE, lp.conf(c, job.k).ttl)
    return
  end
  if has_text then call("HSET", key, "f", text) end
  if outcome == "failed" then
    lp.to_ended(c, job, lp.FAILED, lp.conf(c, job.k).ttl)
  elseif outcome == "cancelled" then
    lp.to_ended(c, job, lp.CANCELLED, lp.conf(c, job.k).ttl)
  elseif outcome == "again" then
    if o.charge == false then uncharge(c, job) end
    go_on(c, job, o.delay or 0)
  else
    if not o.charge then uncharge(c, job) end
    go_on(c, job, 0)
  end
end

-- Ends the results that args has from `at` on. Returns "1" or "0" for each, and where they end.
local function settle_all(c, owner, args, at, n)
  local bits = {}
  c.done = { own = {}, all = {}, kept = {} }
  for i = 1, n do
    local id, token, outcome, text, options = unpack(args, at, at + 4)
    local o = options ~= "" and cjson.decode(options) or {}
    local v = call("HMGET", lp.job_key(c, id), "s", "k", "sp", "o", "t")
    local mine = v[1] == lp.RUNNING and v[4] == owner and v[5] == token
    at = at + 5
    bits[i] = mine and "1" or "0"
    if mine then
      if outcome == "done" and not v[3] then
        done_plainly(c, id, v[2], text)
      else
        settle(c, lp.load(c, id), outcome, text, o)
      end
      if o.added then lp.put(c, args, at, o.added) end
      if lp.conf(c, v[2]).concurrency then c.freed[v[2]] = true end
    end
    at = at + 4 * (o.added or 0)
  end
  flush_done(c, owner)
  return table.concat(bits), at
end

-- ---- claims ----

-- How many jobs of a kind may start; and, where a rate keeps some back, when the next one may.
local function room_of(c, kind, want)
  if call("SISMEMBER", c.p .. "paused", kind.name) == 1 then return 0 end
  local room, slot = want, nil
  if kind.concurrency then
    local of = c.counts[kind.name]
    local running = (call("HGET", c.p .. "count:" .. kind.name, "running") or 0)
      + (of and of.running or 0)
    room = math.min(room, kind.concurrency - running)
  end
  if kind.rate then
    local key = c.p .. "starts:" .. kind.name
    call("ZREMRANGEBYSCORE", key, "-inf", lp.text(c.now - kind.per))
    room = math.min(room, kind.rate - call("ZCARD", key))
    if room < want then
      local first = call("ZRANGE", key, 0, 0, "WITHSCORES")[2]
      slot = first and first + kind.per
    end
  end
  return math.max(0, room), slot
end

-- The ids that are to start, taken from those that may.
local function pick(c, kinds, want)
  local heads, slot = {}, nil
  for _, kind in ipairs(kinds) do
    local room, free = room_of(c, kind, want)
    if free and (not slot or free < slot) then slot = free end
    local key = c.p .. "ready:" .. kind.name
    local list = room > 0 and call("ZRANGE", key, 0, room - 1, "WITHSCORES") or {}
    for i = 1, #list, 2 do heads[#heads + 1] = { tonumber(list[i + 1]), list[i], kind } end
  end
  if #kinds > 1 then table.sort(heads, function(a, b) return a[1] < b[1] end) end
  local picked, taken = {}, {}
  for i = 1, math.min(want, #heads) do
    local kind = heads[i][3]
    picked[i] = heads[i]
    taken[kind.name] = taken[kind.name] or {}
    table.insert(taken[kind.name], heads[i][2])
  end
  for name, ids in pairs(taken) do lp.in_parts("ZREM", c.p .. "ready:" .. name, ids, 1) end
  return picked, slot
end

local CLAIMED = { "t", "k", "a", "n", "q", "u", "p", "y", "x", "h", "m", "v", "c", "i", "tx", "pe" }
local PLAIN = 6 -- the first ones are told of each job, the others where there are any

-- Adds to `list` what is told of a job that was claimed.
local function tell(list, id, v)
  local more
  for i = PLAIN + 1, #CLAIMED do
    if v[i] then
      more = more or {}
      more[CLAIMED[i]] = v[i]
    end
  end
  list[#list + 1] = id
  for i = 1, PLAIN do list[#list + 1] = v[i] end
  list[#list + 1] = more and cjson.encode(more) or ""
end

-- Starts a job, or ends it when it has expired. Returns its token when it has started.
local function start(c, owner, id, kind, list, own)
  local key = lp.job_key(c, id)
  local v = call("HMGET", key, unpack(CLAIMED))
  local name, lane = v[2], v[8]
  if v[9] then
    if tonumber(v[9]) <= c.now then
      lp.to_ended(c, lp.load(c, id), lp.EXPIRED)
      return nil
    end
    call("ZREM", c.p .. "expire", id)
  end
  v[1], v[4] = lp.text((v[1] or 0) + 1), lp.text((v[4] or 0) + 1)
  call("HSET", key, "s", lp.RUNNING, "o", owner, "t", v[1], "n", v[4], "b", c.clock)
  if lane then
    lp.leave(c, name, lane, id)
    call("HINCRBY", c.p .. "busy:" .. name, lane, 1)
  end
  if kind.rate then call("ZADD", c.p .. "starts:" .. name, c.clock, id .. ":" .. v[1]) end
  own[#own + 1], own[#own + 2] = v[5], id
  lp.count(c, name, "waiting", -1)
  lp.count(c, name, "running", 1)
  tell(list, id, v)
  return v[1]
end

-- Claims up to `want` jobs: what is told of them, their ids and tokens, and when to come again, if
-- that is known.
local function claim(c, owner, kinds, want)
  local list, ids, own, again = {}, {}, {}, nil
  if want <= 0 or #kinds == 0 then return list, ids, nil end
  local picked, slot = pick(c, kinds, want)
  for _, head in ipairs(picked) do
    local token = start(c, owner, head[2], head[3], list, own)
    if token then
      ids[#ids + 1], ids[#ids + 2] = head[2], token
    else
      again = c.now
    end
  end
  lp.in_parts("ZADD", c.p .. "own:" .. owner, own, 2)
  local first = call("ZRANGE", c.p .. "scheduled", 0, 0, "WITHSCORES")[2]
  for _, time in ipairs { slot or false, tonumber(first) or false } do
    if time and (not again or time < again) then again = time end
  end
  return list, ids, again
end

local function read_kinds(args, at, n)
  local kinds = {}
  for i = 1, n do
    kinds[i] = { name = args[at], concurrency = tonumber(args[at + 1]),
      rate = tonumber(args[at + 2]), per = tonumber(args[at + 3]) }
    at = at + 4
  end
  return kinds, at
end

-- A call that is made again claims nothing new: what it had claimed is told again, unless it has
-- been lost since. `ids` has a token behind each id.
local function claimed_before(c, owner, ids)
  local list = {}
  for i = 1, #ids, 2 do
    local v = call("HMGET", lp.job_key(c, ids[i]), "o", unpack(CLAIMED))
    if table.remove(v, 1) == owner and v[1] == ids[i + 1] then tell(list, ids[i], v) end
  end
  return list
end

-- Others wait for room among the jobs of a kind.
local function wake_limited(c)
  for kind in pairs(c.freed) do
    if not c.wake and call("EXISTS", c.p .. "ready:" .. kind) == 1 then c.wake = true end
  end
end

-- lp1_settle: owner, number, acked, lease, want, number of kinds, kinds, number of results,
-- results. Answers: "1" or "0" for each result, seconds until something is due or -1, then of
-- each job that was claimed: id, token, kind, arguments, attempts, seq, put, more as JSON.
function lp.f_settle(keys, args)
  return lp.once(keys, args, function(c, _, before)
    local owner = args[1]
    call("ZADD", c.p .. "owners", lp.text(c.now + args[4]), owner)
    if before then
      local list = claimed_before(c, owner, before.ids)
      return { before.bits, "-1", unpack(list) }
    end
    c.freed = {}
    local kinds, at = read_kinds(args, 7, tonumber(args[6]))
    local bits = settle_all(c, owner, args, at + 1, tonumber(args[at]))
    lp.sweep(c)
    lp.flush(c)
    local list, ids, again = claim(c, owner, kinds, tonumber(args[5]))
    lp.flush(c)
    wake_limited(c)
    local rest = again and tostring(math.max(0, again - c.now) / 1e6) or "-1"
    local answer = { bits, rest }
    for i = 1, #list do answer[i + 2] = list[i] end
    return answer, { bits = bits, ids = ids }
  end)
end

-- lp1_sweep.
function lp.f_sweep(keys)
  local c = lp.begin(keys)
  lp.sweep(c)
  lp.flush(c)
  lp.finish(c)
  return 0
end
