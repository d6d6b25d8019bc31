-- Of the library lp1: jobs go from one state to another, and what follows from that: lanes of keys,
-- parents of flows, counts.
--@text

-- ---- waiting ----

-- A job may start, or stands in the lane of its key. lp.flush makes it so.
function lp.wait(c, kind, key, score, id)
  if not key then
    local list = c.ready[kind]
    if not list then
      list = {}
      c.ready[kind] = list
    end
    list[#list + 1] = score
    list[#list + 1] = id
    return
  end
  call("ZADD", lp.lane(c, "lane", kind, key), score, id)
  call("SADD", c.p .. "lanes:" .. kind, key)
  if lp.conf(c, kind).per_key then
    lp.fill_later(c, kind, key)
  else
    lp.wait(c, kind, nil, score, id)
  end
end

function lp.fill_later(c, kind, key) c.fills[kind .. "\0" .. key] = { kind, key } end

-- A job does not wait any more.
function lp.leave(c, kind, key, id)
  call("ZREM", c.p .. "ready:" .. kind, id)
  if not key then return end
  call("ZREM", lp.lane(c, "lane", kind, key), id)
  call("SREM", lp.lane(c, "head", kind, key), id)
  lp.fill_later(c, kind, key)
end

local function forget_lane(c, kind, key)
  if call("EXISTS", lp.lane(c, "lane", kind, key)) == 0 then
    call("SREM", c.p .. "lanes:" .. kind, key)
  end
end

-- Of the jobs of a key as many may start as `per_key` leaves, the first ones of its lane. With
-- `strict` one that waits for another try keeps its place.
function lp.fill(c, kind, key)
  local conf = lp.conf(c, kind)
  forget_lane(c, kind, key)
  if not conf.per_key then return end
  local lane, head = lp.lane(c, "lane", kind, key), lp.lane(c, "head", kind, key)
  local room = conf.per_key - (call("HGET", c.p .. "busy:" .. kind, key) or 0)
  if conf.strict then room = room - (call("HGET", c.p .. "again:" .. kind, key) or 0) end
  local wanted, is_wanted = {}, {}
  if room > 0 then wanted = call("ZRANGE", lane, 0, room - 1, "WITHSCORES") end
  for i = 1, #wanted, 2 do is_wanted[wanted[i]] = true end
  for _, id in ipairs(call("SMEMBERS", head)) do
    if is_wanted[id] then
      is_wanted[id] = nil
    else
      call("SREM", head, id)
      call("ZREM", c.p .. "ready:" .. kind, id)
    end
  end
  for i = 1, #wanted, 2 do
    if is_wanted[wanted[i]] then
      call("SADD", head, wanted[i])
      lp.wait(c, kind, nil, wanted[i + 1], wanted[i])
    end
  end
end

-- Jobs that have come to wait can be claimed from here on.
function lp.flush(c)
  for _, lane in pairs(c.fills) do lp.fill(c, lane[1], lane[2]) end
  c.fills = {}
  for kind, list in pairs(c.ready) do
    local key = c.p .. "ready:" .. kind
    if not c.wake and call("EXISTS", key) == 0 then c.wake = true end
    lp.in_parts("ZADD", key, list, 2)
  end
  c.ready = {}
  if #c.all > 0 then lp.in_parts("ZADD", c.p .. "all", c.all, 2) end
  c.all = {}
end

-- ---- reading a job ----

local FIELDS = { "k", "s", "q", "p", "t", "n", "o", "y", "w", "v", "m", "h", "x", "g", "z", "pe",
  "e" }

-- What a change of state has to know of a job; nil when there is none.
function lp.load(c, id)
  local v = call("HMGET", lp.job_key(c, id), unpack(FIELDS))
  if not v[1] then return nil end
  local job = { id = id }
  for i, name in ipairs(FIELDS) do job[name] = v[i] or nil end
  job.score = lp.score(tonumber(job.p or 0), tonumber(job.q))
  return job
end

-- ---- states ----

-- A job leaves its state.
local function leave_state(c, job)
  lp.count(c, job.k, lp.names[job.s], -1)
  if job.s == lp.WAITING then
    lp.leave(c, job.k, job.y, job.id)
  elseif job.s == lp.SCHEDULED then
    call("ZREM", c.p .. "scheduled", job.id)
    if job.y and tonumber(job.n or 0) > 0 then
      call("HINCRBY", c.p .. "again:" .. job.k, job.y, -1)
      lp.fill_later(c, job.k, job.y)
    end
  elseif job.s == lp.RUNNING then
    call("ZREM", c.p .. "own:" .. job.o, job.id)
    if job.g then call("SREM", c.p .. "cancel:" .. job.o, job.id) end
    if job.y then
      if call("HINCRBY", c.p .. "busy:" .. job.k, job.y, -1) <= 0 then
        call("HDEL", c.p .. "busy:" .. job.k, job.y)
      end
      lp.fill_later(c, job.k, job.y)
    end
  end
end

-- A job waits to be started.
function lp.to_waiting(c, job)
  leave_state(c, job)
  job.s = lp.WAITING
  call("HSET", lp.job_key(c, job.id), "s", lp.WAITING)
  call("HDEL", lp.job_key(c, job.id), "o", "d")
  if job.x then call("ZADD", c.p .. "expire", job.x, job.id) end
  lp.count(c, job.k, "waiting", 1)
  lp.wait(c, job.k, job.y, job.score, job.id)
end

-- A job waits for a time; its attempts have been counted before.
function lp.to_scheduled(c, job, due)
  leave_state(c, job)
  job.s = lp.SCHEDULED
  call("HSET", lp.job_key(c, job.id), "s", lp.SCHEDULED, "d", lp.text(due))
  call("HDEL", lp.job_key(c, job.id), "o")
  if job.x then call("ZADD", c.p .. "expire", job.x, job.id) end
  if job.y and tonumber(job.n or 0) > 0 then call("HINCRBY", c.p .. "again:" .. job.k, job.y, 1) end
  lp.count(c, job.k, "scheduled", 1)
  lp.schedule(c, job.id, due)
end

-- Others sleep until what was due first before.
function lp.schedule(c, id, due)
  call("ZADD", c.p .. "scheduled", lp.text(due), id)
  if call("ZRANGE", c.p .. "scheduled", 0, 0)[1] == id then c.wake = true end
end

-- ---- ends ----

local function free_unique(c, job)
  local key = c.p .. "unique:" .. job.k
  if call("HGET", key, job.w) == job.id then call("HDEL", key, job.w) end
end

-- A job is removed with all that belongs to it.
function lp.drop(c, job)
  call("DEL", lp.job_key(c, job.id), c.p .. "kids:" .. job.id)
  call("ZREM", c.p .. "all", job.id)
  call("ZREM", c.p .. "kept", job.id)
  if job.w then free_unique(c, job) end
  if job.s == lp.FAILED then
    call("ZREM", c.p .. "dead:" .. job.k, job.id)
    lp.count(c, job.k, "dead", -1)
  end
end

local function keep_until(c, job, last)
  if last <= c.now then
    lp.drop(c, job)
  else
    call("ZADD", c.p .. "kept", lp.text(last), job.id)
  end
end

local function last_of(job, ended)
  return ended + math.max(tonumber(job.m or 0), tonumber(job.v or 0), lp.KEEP[job.s])
end

local ended_parent

-- What a parent waited for is kept for as long as it lives itself, and as long as it can be put
-- back.
local function release_kids(c, job, last)
  if not job.pe then return end
  for _, id in ipairs(call("ZRANGE", c.p .. "kids:" .. job.id, 0, -1)) do
    local kid = lp.load(c, id)
    if kid and kid.s >= lp.DONE then
      local own = last_of(kid, tonumber(kid.e))
      keep_until(c, kid, job.s == lp.FAILED and math.max(own, last) or own)
    end
  end
end

-- A job ends. Its fields are written before, but for the state; `ttl` of its kind counts where it
-- has none itself.
function lp.to_ended(c, job, state, ttl)
  local key = lp.job_key(c, job.id)
  leave_state(c, job)
  job.s, job.e, job.m = state, c.now, job.m or ttl
  if job.x then call("ZREM", c.p .. "expire", job.id) end
  if job.w and not job.v then free_unique(c, job) end
  lp.count(c, job.k, lp.names[state], 1)
  if state == lp.FAILED then
    call("ZADD", c.p .. "dead:" .. job.k, job.q, job.id)
    lp.count(c, job.k, "dead", 1)
  end
  if job.z then c.wake = true end
  call("HSET", key, "s", state, "e", c.clock)
  call("HDEL", key, "o", "d", "g", "z")
  if job.m then call("HSET", key, "m", lp.text(job.m)) end
  local last = last_of(job, c.now)
  release_kids(c, job, last) -- before it is dropped itself
  local parent = job.h and lp.load(c, job.h)
  if not (parent and parent.s < lp.DONE) then
    if parent and parent.s == lp.FAILED and state == lp.DONE then
      last = math.max(last, tonumber(call("ZSCORE", c.p .. "kept", parent.id) or 0))
    end
    keep_until(c, job, last)
  end
  if parent then ended_parent(c, parent, state) end
end

local CHILD_FAILED = '{"kind":"child_failed",'
  .. '"message":"a job that it waited for has not ended well"}'

-- One of the jobs that a parent waits for has ended.
function ended_parent(c, parent, state)
  local key = lp.job_key(c, parent.id)
  local pending = call("HINCRBY", key, "pe", -1)
  if state ~= lp.DONE then call("HINCRBY", key, "mi", 1) end
  if parent.s ~= lp.BLOCKED then return end
  local v = call("HMGET", key, "mi", "le")
  local missed, lenient = tonumber(v[1] or 0), v[2] == "1"
  if missed > 0 and not lenient then
    call("HSET", key, "f", CHILD_FAILED)
    lp.to_ended(c, parent, lp.FAILED)
  elseif pending <= 0 then
    lp.to_waiting(c, parent)
  end
end

-- ---- back from an end ----

local back_parent

-- A job that has not ended well begins anew.
function lp.back(c, job)
  local key = lp.job_key(c, job.id)
  lp.count(c, job.k, lp.names[job.s], -1)
  if job.s == lp.FAILED then
    call("ZREM", c.p .. "dead:" .. job.k, job.id)
    lp.count(c, job.k, "dead", -1)
  end
  call("ZREM", c.p .. "kept", job.id)
  call("HDEL", key, "f", "e", "b", "x", "g", "c", "l", "n")
  job.x, job.n = nil, nil
  if job.w and call("HSETNX", c.p .. "unique:" .. job.k, job.w, job.id) == 0
    and call("HGET", c.p .. "unique:" .. job.k, job.w) ~= job.id then
    call("HDEL", key, "w", "v") -- another one has the value by now
  end
  for _, id in ipairs(call("ZRANGE", c.p .. "kids:" .. job.id, 0, -1)) do
    call("ZREM", c.p .. "kept", id)
  end
  call("HSET", key, "s", lp.WAITING)
  job.s = lp.WAITING
  lp.count(c, job.k, "waiting", 1)
  lp.wait(c, job.k, job.y, job.score, job.id)
  if job.h then back_parent(c, job.h) end
end

-- A job that a parent waits for has not ended after all.
function back_parent(c, id)
  local parent = lp.load(c, id)
  if not parent then return end
  local key = lp.job_key(c, id)
  call("HINCRBY", key, "pe", 1)
  call("HINCRBY", key, "mi", -1)
  if parent.s ~= lp.FAILED or call("HGET", key, "f") ~= CHILD_FAILED then return end
  lp.count(c, parent.k, "failed", -1)
  lp.count(c, parent.k, "dead", -1)
  lp.count(c, parent.k, "blocked", 1)
  call("ZREM", c.p .. "dead:" .. parent.k, id)
  call("ZREM", c.p .. "kept", id)
  call("HDEL", key, "f", "e")
  call("HSET", key, "s", lp.BLOCKED)
  for _, kid in ipairs(call("ZRANGE", c.p .. "kids:" .. id, 0, -1)) do
    call("ZREM", c.p .. "kept", kid)
  end
  if parent.h then back_parent(c, parent.h) end
end
