-- The functions lp1_* of a queue on Redis: they run in the server, each as one step that
-- nothing else comes between. These files are one library, in the order base, state, put,
-- settle, steer, read; the server's Lua is 5.1. luapool.internal.queue.redis sends and calls them.
--@text
--
-- All keys of a namespace begin with KEYS[1], "lp:{ns}:", which has one hash tag:
--   j:<id>            hash: a job (fields below)
--   all               sorted set: ids by seq, of all jobs that there are
--   ready:<kind>      sorted set: ids of jobs that may start, by priority and seq
--   lane:<kind>/<key> sorted set: ids of waiting jobs of one key, in the same order
--   head:<kind>/<key> set: those of them that stand in ready:<kind>, where `per_key` limits them
--   lanes:<kind>      set: keys that have a lane
--   busy:<kind>       hash: key -> how many run
--   again:<kind>      hash: key -> how many wait for another try
--   scheduled         sorted set: ids by the time when they are due
--   expire            sorted set: ids by the time when they expire
--   kept              sorted set: ids of ended jobs by the time when they are dropped
--   dead:<kind>       sorted set: ids of failed jobs by seq
--   kids:<id>         sorted set: ids of the jobs that a job of a flow waits for, by seq
--   unique:<kind>     hash: value -> id
--   starts:<kind>     sorted set: starts of the last period, where a rate limits them
--   owners            sorted set: owners by the end of their leases
--   own:<owner>       sorted set: ids that it runs, by seq
--   cancel:<owner>    set: those of them that are to be cancelled
--   calls:<client>    sorted set: answers of its latest calls, by their number
--   count:<kind>      hash: how many jobs there are of each state, and have ever ended so
--   kinds, paused     sets of kinds;  kind:<kind>: hash of its limits;  cron: hash, name -> minute
--   seq               the number of the latest job
-- Channel: wake.
--
-- Fields of a job: k kind, a arguments, s state, q seq, p priority, u put, t token, n attempts,
-- c crashes, l losses, o owner, b begun, e ended, r result, f error, d due, x expires, y key, w
-- unique, v unique_for, m result_ttl, h parent, i share, g to be cancelled, z somebody waits
-- for its end, pe pending, mi missed, le lenient (of one that waits for others), tx text of the
-- progress, sp special: its end concerns others, or has options of its own. Times are
-- microseconds since 1970 by the server's clock.

local lp = { REVISION = "2" }
local call -- redis.call, which is not there yet when the library is loaded

lp.SCHEDULED, lp.WAITING, lp.BLOCKED, lp.RUNNING = "1", "2", "4", "5"
lp.DONE, lp.FAILED, lp.CANCELLED, lp.EXPIRED = "6", "7", "8", "9"
lp.names = { ["1"] = "scheduled", ["2"] = "waiting", ["4"] = "blocked", ["5"] = "running",
  ["6"] = "done", ["7"] = "failed", ["8"] = "cancelled", ["9"] = "expired" }

-- How long ended jobs are kept at least.
lp.KEEP = { ["6"] = 0, ["7"] = 30 * 86400 * 1e6, ["8"] = 3600 * 1e6, ["9"] = 3600 * 1e6 }

-- So many rows of promotion, expiry, dropping and recovery ride in a call.
lp.ROWS = 100
-- So many arguments a command of ours has at most: the server's Lua cannot unpack many more.
lp.MANY = 2000

-- A whole number as text: the server's Lua writes large ones with an exponent, and numbers that are
-- given to commands cost more than texts.
function lp.text(n) return string.format("%d", n) end

-- By which score a job stands among those that may start: the largest priority, then what was put
-- first. Exact up to 2^45 jobs.
function lp.score(priority, seq)
  return lp.text((100 - priority) * 35184372088832 + seq)
end

-- What a call works with.
function lp.begin(keys)
  call = redis.call
  local t = call("TIME")
  local now = t[1] * 1000000 + t[2]
  return { p = keys[1], now = now, clock = lp.text(now), counts = {}, confs = {}, ready = {},
    fills = {}, all = {}, rows = lp.ROWS, wake = false }
end

-- The name of a kind has no "/".
function lp.lane(c, what, kind, key) return c.p .. what .. ":" .. kind .. "/" .. key end

function lp.job_key(c, id) return c.p .. "j:" .. id end

-- Notes that there is one more job, or one less, of a kind in a state.
function lp.count(c, kind, name, n)
  local of = c.counts[kind]
  if not of then
    of = {}
    c.counts[kind] = of
  end
  of[name] = (of[name] or 0) + n
end

-- What consumers have said of a kind: lp1_settle writes it down.
function lp.conf(c, kind)
  local conf = c.confs[kind]
  if conf then return conf end
  local v = call("HMGET", c.p .. "kind:" .. kind, "per_key", "strict", "lost", "host_retries",
    "concurrency", "ttl")
  conf = { per_key = tonumber(v[1] or nil), strict = v[2] == "1", lost_fails = v[3] == "1",
    host_retries = tonumber(v[4] or 3), concurrency = tonumber(v[5] or nil),
    ttl = tonumber(v[6] or nil) }
  c.confs[kind] = conf
  return conf
end

-- Calls a command with a list of arguments, a part of them at a time; each part is a multiple
-- of `step`.
function lp.in_parts(name, key, list, step)
  local most = lp.MANY - lp.MANY % step
  for i = 1, #list, most do
    call(name, key, unpack(list, i, math.min(i + most - 1, #list)))
  end
end

-- ---- calls that are repeated ----

-- A client numbers its calls. It makes one again when it has not got the answer; then nothing is
-- done, and the answer is the same. Answers below `acked` have arrived and are forgotten.
function lp.once(keys, args, fn)
  local c = lp.begin(keys)
  local client, number, acked = args[1], tonumber(args[2]), args[3]
  local key = c.p .. "calls:" .. client
  call("ZREMRANGEBYSCORE", key, "-inf", "(" .. acked)
  local before = call("ZRANGEBYSCORE", key, number, number)[1]
  if before then
    return fn(c, args, cjson.decode(string.sub(before, string.find(before, " ") + 1)))
  end
  local answer, note = fn(c, args, nil)
  lp.finish(c)
  call("ZADD", key, number, number .. " " .. cjson.encode(note or {}))
  call("EXPIRE", key, 86400)
  return answer
end

-- The end of a call: counts are written, sleepers are woken.
function lp.finish(c)
  for kind, of in pairs(c.counts) do
    for name, n in pairs(of) do
      if n ~= 0 then call("HINCRBY", c.p .. "count:" .. kind, name, n) end
    end
  end
  if c.wake then call("PUBLISH", c.p .. "wake", "") end
end
