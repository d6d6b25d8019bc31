-- A storm over a queue on Redis: processes that work on it (queue_consumer.lua) are killed, stopped
-- and started again, connections are cut and stalled, the server is killed and started again.
-- Afterwards what all of them have written down is compared with what the store says:
--
--     local seen = queue_storm.run { jobs = 50000, seconds = 60, mains = 3, workers = 4 }
--     luapool run tests/support/queue_storm.lua -- 50000 60 3 4 [SEED]
--
-- It raises where something was lost or ended twice, where a job ran twice at once though no
-- lease had run out, where one settled that was not the newest, and where a process that still
-- runs works no more. It returns what there was.

local cut_proxy = require "tests.support.cut_proxy"
local fs = require "luapool.fs"
local process = require "luapool.process"
local queue = require "luapool.queue"
local redis_server = require "tests.support.redis_server"
local task = require "luapool.task"

local M = {}

local LEASE, PLACES = 2, 8
-- How exactly processes know one another's times, in seconds.
local EXACT = 0.1

local Storm = {}
Storm.__index = Storm

local function check(self, ok, text, ...)
  if not ok then error(("seed %d: "):format(self.seed) .. text:format(...), 0) end
end

local function url_of(proxy) return ("%s/0?ns=storm&lease=%d"):format(proxy.url, LEASE) end

-- ---- processes ----

-- Starts a process behind its proxy, again after its end.
local function start(self, one)
  local file = ("%s/pid%d"):format(self.dir.path, #self.all)
  table.insert(self.all, one)
  one.run = task.spawn(process.exec, { "sh", "-c", 'echo $$ >"$0"; exec "$@"', file,
    os.getenv "LUAPOOL", "run", "tests/support/queue_consumer.lua", "--", one.what,
    url_of(one.proxy), self.dir.path, table.unpack(one.args) })
  repeat
    task.sleep(0.005)
    local ok, text = pcall(fs.read, file)
    one.pid = ok and text:match "^(%d+)\n"
  until one.pid
end

local function add(self, what, ...)
  local one = { what = what, args = { ... }, proxy = cut_proxy.start(self.server.port) }
  table.insert(self.processes, one)
  start(self, one)
  return one
end

local function signal(name, pid) process.exec { "kill", "-s", name, pid } end

-- All that descend from a process.
local function descendants(pid, list)
  local file <close> = io.open(("/proc/%s/task/%s/children"):format(pid, pid))
  for child in (file and file:read("a") or ""):gmatch "%d+" do
    table.insert(list, child)
    descendants(child, list)
  end
  return list
end

-- It has been killed: what it has said is an error of its own when it was not that.
local function again(self, one)
  local ok, result = one.run:result()
  check(self, not ok or result.signal == 9 or result.code == 137, "a process ended: %s",
    ok and result.stderr)
  start(self, one)
end

-- ---- what happens ----

local act = {}

function act.worker(self)
  local list = descendants(self:any().pid, {})
  if #list > 0 then signal("KILL", list[math.random(#list)]) end
end

function act.main(self)
  local one = self:any()
  signal("KILL", one.pid)
  again(self, one)
end

function act.group(self)
  local one = self:any()
  one.run:cancel()
  again(self, one)
end

function act.stop(self)
  local one = self:any()
  signal("STOP", one.pid)
  task.sleep(math.random() * 2 * LEASE)
  signal("CONT", one.pid)
end

function act.putter(self)
  signal("KILL", self.putter.pid)
  again(self, self.putter)
end

function act.server(self)
  self.server:kill()
  task.sleep(math.random() * 0.5)
  self.server:start()
end

function act.cut(self) self.proxies[math.random(#self.proxies)]:cut() end

function act.lose(self)
  local proxy = self.proxies[math.random(#self.proxies)]
  proxy.drop_answers = true
  task.sleep(0.1)
  proxy.drop_answers = false
end

function act.stall(self)
  local proxy = self.proxies[math.random(#self.proxies)]
  proxy:stall()
  task.sleep(math.random() * 2 * LEASE)
  proxy:resume()
end

local ACTS = { "worker", "worker", "main", "group", "stop", "putter", "server", "cut", "cut",
  "lose", "stall" }

function Storm:any() return self.processes[math.random(#self.processes - 1)] end -- not the putter

-- One after another; what takes its time is done meanwhile.
local function rage(self, seconds)
  local last, slow = task.now() + seconds, {}
  for n = 1, math.huge do
    if task.now() >= last then break end
    local name = ACTS[n] or ACTS[math.random(#ACTS)] -- each at least once
    self.seen[name] = (self.seen[name] or 0) + 1
    if name == "stall" or name == "lose" then
      table.insert(slow, task.spawn(act[name], self))
    else
      act[name](self)
    end
    task.sleep(math.random() * 0.3)
  end
  for _, one in ipairs(slow) do one:await() end
end

-- ---- what was written down ----

local function read_worker(self, worker, text)
  for what, id, token, at, main in text:gmatch "(%a+) (%S+) (%d+) (%S+) (%d+)\n" do
    token, at = tonumber(token), tonumber(at)
    local runs = self.runs[id] or {}
    self.runs[id] = runs
    if what == "begin" then
      table.insert(runs, { id = id, token = token, from = at, main = main, worker = worker })
    else
      for _, run in ipairs(runs) do
        if run.token == token and run.worker == worker then run.to = at end
      end
    end
  end
end

local function read_main(self, pid, text)
  self.renewed[pid] = {}
  for at in text:gmatch "renewed (%S+)\n" do table.insert(self.renewed[pid], tonumber(at)) end
  for id, token, at in text:gmatch "claimed (%S+) (%d+) (%S+)\n" do
    self.claimed[id .. token] = tonumber(at)
  end
  for id, token, ok in text:gmatch "settled (%S+) (%d+) (%a+)\n" do
    if ok == "true" then
      check(self, not self.settled[id], "%s was settled twice", id)
      self.settled[id] = tonumber(token)
    else
      self.seen.refused = (self.seen.refused or 0) + 1
    end
  end
end

local function read(self)
  self.runs, self.renewed, self.settled, self.acknowledged = {}, {}, {}, {}
  self.claimed = {}
  for _, name in ipairs(fs.list(self.dir.path)) do
    local pid, what = name:match "^(%d+)%.(%a+)$"
    local text = what and fs.read(self.dir.path .. "/" .. name)
    if what == "worker" then
      read_worker(self, pid, text)
    elseif what == "main" then
      read_main(self, pid, text)
    elseif what == "putter" then
      for id in text:gmatch "put (%S+)\n" do table.insert(self.acknowledged, id) end
    end
  end
end

-- ---- checks ----

-- `a` still ran when `b` began: its process has not renewed its lease for so long, now or once
-- since it has claimed `a`, which may have waited for a worker. One that was stopped for longer
-- renews its lease at once when it goes on.
local function check_overlap(self, a, b)
  check(self, a.token < b.token, "%s began as %d while it ran as %d", a.id, b.token, a.token)
  check(self, self.settled[a.id] ~= a.token, "%s was settled by %d, which was not the newest", a.id,
    a.token)
  local latest, pause, since = -math.huge, 0, self.claimed[a.id .. a.token] or a.from
  for _, at in ipairs(self.renewed[a.main]) do
    if at <= b.from then
      if at > since then pause = math.max(pause, at - latest) end
      latest = at
    end
  end
  pause = math.max(pause, b.from - latest)
  check(self, pause >= LEASE - EXACT, "%s began as %d; since %d the lease was renewed each %.3f s",
    a.id, b.token, a.token, pause)
  self.seen.overlaps = (self.seen.overlaps or 0) + 1
end

local function check_runs(self)
  for id, runs in pairs(self.runs) do
    table.sort(runs, function(a, b) return a.from < b.from end)
    for i, a in ipairs(runs) do
      check(self, not self.settled[id] or self.settled[id] >= a.token,
        "%s ran as %d after it was settled as %s", id, a.token, self.settled[id])
      for j = i + 1, #runs do
        if a.to and a.to > runs[j].from then check_overlap(self, a, runs[j]) end
      end
    end
    self.seen.runs = (self.seen.runs or 0) + #runs
  end
end

-- All jobs of a kind: they are done.
local function done_of(q, kind)
  local list, page = {}, nil
  repeat
    local last = page and page[#page].id
    page = q:list { kind = kind, state = "done", limit = 1000, after = last }
    table.move(page, 1, #page, #list + 1, list)
  until #page < 1000
  return list
end

local function check_store(self, q, jobs)
  for kind, of in pairs(q:stats()) do
    for _, state in ipairs { "waiting", "running", "failed", "cancelled" } do
      check(self, of[state] == 0, "%d of %s are %s", of[state], kind, state)
    end
  end
  local sum, added, late = 0, {}, {}
  local steps = done_of(q, "step")
  for _, job in ipairs(steps) do sum = sum + job.result end
  check(self, #steps == jobs and sum == jobs * (jobs + 1) // 2, "%d steps, sum %d", #steps, sum)
  for _, job in ipairs(done_of(q, "added")) do
    check(self, not added[job.args.n], "what step %d adds is there twice", job.args.n)
    added[job.args.n] = true
  end
  check(self, #added == jobs, "%d were added", #added)
  for _, job in ipairs(done_of(q, "late")) do late[job.id] = true end
  for _, id in ipairs(self.acknowledged) do check(self, late[id], "%s is lost", id) end
  self.seen.late = #self.acknowledged
end

-- ---- all of it ----

local function put_all(self, q, opts)
  local mean = 1000 * opts.seconds * opts.mains * opts.workers * PLACES / opts.jobs / 2
  for first = 1, opts.jobs, 500 do
    local list = {}
    for n = first, math.min(opts.jobs, first + 499) do
      local ms = n % 100 == 0 and 1500 * LEASE or math.random(0, math.floor(2 * mean))
      table.insert(list, { n = n, ms = ms })
    end
    self.put = self.put + #q:put_all("step", list)
  end
end

local function is_over(self, q, jobs)
  local left = 0
  for _, of in pairs(q:stats()) do left = left + of.waiting + of.running + of.scheduled end
  return self.put == jobs and left == 0
end

local function settles(self, one)
  local ok, text = pcall(fs.read, ("%s/%s.main"):format(self.dir.path, one.pid))
  return ok and select(2, text:gsub("settled ", "")) or 0
end

-- All that still run work on: each of them ends one of the jobs that come now.
local function check_alive(self, q)
  local list = {}
  for n = 1, PLACES do list[n] = { n = n, ms = 10 } end
  for _, one in ipairs(self.processes) do
    local before = settles(self, one)
    while one ~= self.putter and settles(self, one) == before do
      check(self, one.run:status() == "running", "a process has ended")
      q:put_all("late", list)
      task.sleep(0.1)
    end
  end
end

local function storm(self, opts)
  for _ = 1, opts.mains do add(self, "work", opts.workers, PLACES) end
  self.putter = add(self, "put")
  for i, one in ipairs(self.processes) do self.proxies[i] = one.proxy end
  local mine = cut_proxy.start(self.server.port)
  table.insert(self.proxies, mine)
  do
    local through <close> = queue.open(url_of(mine))
    local putting = task.spawn(put_all, self, through, opts)
    rage(self, opts.seconds)
    putting:await()
  end
  signal("KILL", self.putter.pid)
  local direct <close> = queue.open(url_of { url = self.server.url })
  check_alive(self, direct)
  while not is_over(self, direct, opts.jobs) do task.sleep(0.1) end
  self:stop()
  read(self)
  check_runs(self)
  check_store(self, direct, opts.jobs)
end

--- Ends all that it has started.
function Storm:stop()
  for _, one in ipairs(self.processes) do
    one.run:cancel()
    one.run:result()
  end
  for _, proxy in ipairs(self.proxies) do proxy:stop() end
end

--- Lets it rage.
---@param opts { jobs: integer, seconds: number, mains: integer, workers: integer, seed?: integer }
---@return table<string, integer> seen
function M.run(opts)
  assert(os.getenv "LUAPOOL", "LUAPOOL has to tell where the program is")
  local self = setmetatable({
    seed = opts.seed or os.time(), dir = fs.tempdir(), processes = {}, proxies = {}, all = {},
    put = 0, seen = {},
    server = redis_server.start { config = { "appendonly yes", "appendfsync always" } },
  }, Storm)
  math.randomseed(self.seed)
  local ok, e = pcall(storm, self, opts)
  self:stop()
  self.server:stop()
  self.dir:close()
  if not ok then error(e, 0) end
  return self.seen
end

if not tonumber((...)) then return M end

local jobs, seconds, mains, workers, seed = ...
local function int(text) return math.tointeger(tonumber(text)) end
local list = {}
for name, n in pairs(M.run { jobs = int(jobs), seconds = int(seconds), mains = int(mains),
  workers = int(workers), seed = seed and int(seed) }) do
  table.insert(list, n .. " " .. name)
end
table.sort(list)
print(("%s jobs, each ended once; %s"):format(jobs, table.concat(list, ", ")))
