-- Of the library lp1: jobs come in.
--@text

-- Who has the unique value of a new job, or nil. A value whose job has ended is free when it
-- was not to be kept for longer.
local function holder_of(c, kind, value)
  local key = c.p .. "unique:" .. kind
  local id = call("HGET", key, value)
  if not id then return nil end
  local v = call("HMGET", lp.job_key(c, id), "s", "e", "v")
  if not v[1] or v[1] >= lp.DONE and v[2] + (v[3] or 0) <= c.now then
    call("HDEL", key, value)
    return nil
  end
  return id
end

-- Puts a job that wants something special; `o` are its options, times in microseconds. Returns
-- the id of the job that has its unique value already, or nil.
local function put_rare(c, id, kind, text, seq, o)
  local key, priority = lp.job_key(c, id), o.p or 0
  if o.w then
    local holder = holder_of(c, kind, o.w)
    if holder then return holder end
    call("HSET", c.p .. "unique:" .. kind, o.w, id)
  end
  local expires = o.x and c.now + o.x
  local due = o.d and o.d > 0 and not o.pe and c.now + o.d
  local state = o.pe and lp.BLOCKED or due and lp.SCHEDULED or lp.WAITING
  local row = { "s", state, "k", kind, "q", lp.text(seq), "u", c.clock, "a", text, "p", priority,
    "sp", "1" }
  local function add(name, value)
    row[#row + 1] = name
    row[#row + 1] = value
  end
  if expires then add("x", lp.text(expires)) end
  if due then add("d", lp.text(due)) end
  if o.m then add("m", lp.text(o.m)) end
  if o.v then add("v", lp.text(o.v)) end
  for _, name in ipairs { "y", "w", "h", "pe", "le" } do
    if o[name] then add(name, o[name]) end
  end
  call("HSET", key, unpack(row))
  if o.h then call("ZADD", c.p .. "kids:" .. o.h, lp.text(seq), id) end
  if expires and state ~= lp.BLOCKED then call("ZADD", c.p .. "expire", lp.text(expires), id) end
  lp.count(c, kind, lp.names[state], 1)
  if state == lp.SCHEDULED then
    lp.schedule(c, id, due)
  elseif state == lp.WAITING then
    lp.wait(c, kind, o.y, lp.score(priority, seq), id)
  end
end

-- Puts the n jobs of args from `from` on: id, kind, arguments, options as JSON or "". Returns, for
-- those whose unique value another one has, its id by their place.
function lp.put(c, args, from, n)
  local seq, holders, kinds, all = call("INCRBY", c.p .. "seq", n) - n, {}, {}, c.all
  for i = 1, n do
    local id, kind, text, options = args[from], args[from + 1], args[from + 2], args[from + 3]
    local key = lp.job_key(c, id)
    from, seq = from + 4, seq + 1
    if call("EXISTS", key) == 0 then
      local holder, place = nil, lp.text(seq)
      if options == "" then
        call("HSET", key, "s", lp.WAITING, "k", kind, "q", place, "u", c.clock, "a", text)
        lp.count(c, kind, "waiting", 1)
        lp.wait(c, kind, nil, lp.score(0, seq), id)
      else
        holder = put_rare(c, id, kind, text, seq, cjson.decode(options))
      end
      if holder then
        holders[tostring(i)] = holder
      else
        all[#all + 1] = place
        all[#all + 1] = id
        kinds[kind] = true
      end
    end
  end
  for kind in pairs(kinds) do call("SADD", c.p .. "kinds", kind) end
  return holders
end

local function answer_of(holders)
  local list = {}
  for i, id in pairs(holders) do
    list[#list + 1] = tonumber(i)
    list[#list + 1] = id
  end
  return list
end

-- lp1_put: client, number, acked, n, jobs. Answers, for each job whose unique value another one
-- has, its place and the id of that one.
function lp.f_put(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return answer_of(before) end
    local holders = lp.put(c, args, 5, tonumber(args[4]))
    lp.flush(c)
    return answer_of(holders), holders
  end)
end

-- lp1_cron: client, number, acked, n, then of each tick: name, minute, "1" and a job, or "0".
-- Answers a list: 0 it was there already, 1, or the id of who has the unique value.
function lp.f_cron(keys, args)
  return lp.once(keys, args, function(c, _, before)
    if before then return before end
    local list, at = {}, 5
    for i = 1, tonumber(args[4]) do
      local name, minute, has_job = args[at], tonumber(args[at + 1]), args[at + 2] == "1"
      local last = tonumber(call("HGET", c.p .. "cron", name) or nil)
      list[i] = 0
      if not last or minute > last then
        call("HSET", c.p .. "cron", name, minute)
        list[i] = has_job and lp.put(c, args, at + 3, 1)["1"] or 1
      end
      at = at + (has_job and 7 or 3)
    end
    lp.flush(c)
    return list, list
  end)
end
