-- Of the library lp1: what concerns jobs that run, and what people do with jobs from outside.
--@text

-- ---- jobs that run ----

-- lp1_kinds: of each kind: name, per_key, strict, lost, host_retries, concurrency, result_ttl.
-- Where a limit of keys has changed, the lanes are filled anew.
local function note_kind(c, args, at)
  local kind, key = args[at], c.p .. "kind:" .. args[at]
  local before = call("HMGET", key, "per_key", "strict")
  call("HSET", key, "per_key", args[at + 1], "strict", args[at + 2], "lost", args[at + 3],
    "host_retries", args[at + 4], "concurrency", args[at + 5], "ttl", args[at + 6])
  if (before[1] or "") == args[at + 1] and (before[2] or "0") == args[at + 2] then return end
  c.confs[kind] = nil
  for _, name in ipairs(call("SMEMBERS", c.p .. "lanes:" .. kind)) do
    local lane, head = lp.lane(c, "lane", kind, name), lp.lane(c, "head", kind, name)
    call("DEL", head)
    local ids = call("ZRANGE", lane, 0, -1, "WITHSCORES")
    local limited = lp.conf(c, kind).per_key
    for i = 1, #ids, 2 do
      if limited then
        call("ZREM", c.p .. "ready:" .. kind, ids[i])
      else
        lp.wait(c, kind, nil, ids[i + 1], ids[i])
      end
    end
    lp.fill_later(c, kind, name)
  end
end

function lp.f_kinds(keys, args)
  local c = lp.begin(keys)
  for at = 1, #args, 7 do note_kind(c, args, at) end
  lp.flush(c)
  lp.finish(c)
  return 0
end

-- lp1_renew: owner, lease. Answers how many jobs it has, and the ids that are to be cancelled.
function lp.f_renew(keys, args)
  local c = lp.begin(keys)
  call("ZADD", c.p .. "owners", lp.text(c.now + args[2]), args[1])
  return { call("ZCARD", c.p .. "own:" .. args[1]), call("SMEMBERS", c.p .. "cancel:" .. args[1]) }
end

-- lp1_own: owner. Answers the ids and tokens of what it runs.
function lp.f_own(keys, args)
  local c, list = lp.begin(keys), {}
  for i, id in ipairs(call("ZRANGE", c.p .. "own:" .. args[1], 0, -1)) do
    list[2 * i - 1], list[2 * i] = id, call("HGET", lp.job_key(c, id), "t")
  end
  return list
end

local function mine(c, owner, id, token)
  local job = lp.load(c, id)
  return job and job.s == lp.RUNNING and job.o == owner and job.t == token and job or nil
end

-- lp1_crashed: owner, number, acked, id, token, fails ("1": at most once), crash_retries, reason.
function lp.f_crashed(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return before[1] end
    local job = mine(c, args[1], args[4], args[5])
    if not job then return "", { "" } end
    local key, answer = lp.job_key(c, job.id), "retry"
    local crashes = call("HINCRBY", key, "c", 1)
    if job.g then
      answer = "cancelled"
      lp.to_ended(c, job, lp.CANCELLED)
    elseif args[6] == "1" or crashes > tonumber(args[7]) then
      answer = "failed"
      call("HSET", key, "f", args[8])
      lp.to_ended(c, job, lp.FAILED)
    else
      lp.to_waiting(c, job)
    end
    lp.flush(c)
    return answer, { answer }
  end)
end

-- lp1_progress: owner, then of each job: id, token, share, text.
function lp.f_progress(keys, args)
  local c = lp.begin(keys)
  for at = 2, #args, 4 do
    local key = lp.job_key(c, args[at])
    if mine(c, args[1], args[at], args[at + 1]) then
      call("HSET", key, "i", args[at + 2])
      call("HDEL", key, "tx")
      if args[at + 3] ~= "" then call("HSET", key, "tx", args[at + 3]) end
    end
  end
  return 0
end

-- lp1_leave: owner. What it runs goes back uncharged, and it is gone.
function lp.f_leave(keys, args)
  local c, owner = lp.begin(keys), args[1]
  local ids = call("ZRANGE", c.p .. "own:" .. owner, 0, lp.ROWS - 1)
  for _, id in ipairs(ids) do
    local job = lp.load(c, id)
    call("HINCRBY", lp.job_key(c, id), "n", -1)
    if job.g then lp.to_ended(c, job, lp.CANCELLED) else lp.to_waiting(c, job) end
  end
  if #ids < lp.ROWS then
    call("ZREM", c.p .. "owners", owner)
    call("DEL", c.p .. "cancel:" .. owner, c.p .. "calls:" .. owner)
  end
  lp.flush(c)
  lp.finish(c)
  return #ids == lp.ROWS and 1 or 0
end

-- ---- from outside ----

-- Cancels a job and what it waits for, it first: so what it waits for does not fail it.
local function cancel(c, id)
  local job = lp.load(c, id)
  if not job then return nil end
  local answer
  if job.s < lp.RUNNING then
    answer = "cancelled"
    lp.to_ended(c, job, lp.CANCELLED)
  elseif job.s == lp.RUNNING then
    answer = "asked"
    call("HSET", lp.job_key(c, id), "g", "1", "sp", "1")
    call("SADD", c.p .. "cancel:" .. job.o, id)
    c.wake = true
  end
  if job.pe then
    for _, kid in ipairs(call("ZRANGE", c.p .. "kids:" .. id, 0, -1)) do cancel(c, kid) end
  end
  return answer
end

-- lp1_cancel: client, number, acked, id.
function lp.f_cancel(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return before[1] end
    local answer = cancel(c, args[4]) or ""
    lp.flush(c)
    return answer, { answer }
  end)
end

-- lp1_pause: kind, "1" or "0".
function lp.f_pause(keys, args)
  local c = lp.begin(keys)
  call("SADD", c.p .. "kinds", args[1])
  call(args[2] == "1" and "SADD" or "SREM", c.p .. "paused", args[1])
  c.wake = args[2] == "0"
  lp.finish(c)
  return 0
end

-- lp1_retry: client, number, acked, id or "", kind or "". Answers how many: a thousand at most.
function lp.f_retry(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return before[1] end
    local ids, n = { args[4] }, 0
    if args[4] == "" then ids = call("ZRANGE", c.p .. "dead:" .. args[5], 0, 999) end
    for _, id in ipairs(ids) do
      local job = lp.load(c, id)
      if job and job.s >= lp.FAILED then
        n = n + 1
        lp.back(c, job)
      end
    end
    lp.flush(c)
    return n, { n }
  end)
end

-- lp1_purge: client, number, acked, states ("6789"), kind or "", age, seq of the last one seen.
-- Answers how many were removed, and the seq to go on from, or -1 at the end.
function lp.f_purge(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return before end
    local n, last = 0, -1
    local ids = call("ZRANGEBYSCORE", c.p .. "all", "(" .. args[7], "+inf", "LIMIT", 0, 1000)
    for _, id in ipairs(ids) do
      local job = lp.load(c, id)
      if job then
        last = job.q
        local live = job.s < lp.DONE
        local since = live and call("HGET", lp.job_key(c, id), "u") or job.e
        if string.find(args[4], job.s, 1, true) and (args[5] == "" or job.k == args[5])
          and tonumber(since) <= c.now - args[6]
          and (live or call("ZSCORE", c.p .. "kept", id)) then
          n = n + 1
          if live then
            lp.to_ended(c, job, lp.CANCELLED)
            call("ZADD", c.p .. "kept", c.clock, id)
          else
            lp.drop(c, job)
          end
        end
      end
    end
    lp.flush(c)
    local answer = { n, #ids == 1000 and tonumber(last) or -1 }
    return answer, answer
  end)
end
