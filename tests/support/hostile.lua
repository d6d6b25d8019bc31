-- The hostile server for specs (tests/support/hostile, in Python), and specs that are tables of
-- rows on it. tests/README.md tells how to add a behaviour and a row.

local internal = require "tests.support.internal"
local core = internal "luapool.task.core"
local errors = require "luapool.error"
local http = require "luapool.http"
local json = require "luapool.json"
local lfs = require "lfs"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

---@class tests.hostile
---@field ca string  path of the CA's certificate
---@field dir string its own folder
---@field control integer the control port
local Server = {}
Server.__index = Server
Server.__name = "tests.hostile"

---@class tests.hostile.Listener
---@field url string   of the port that the behaviour listens on, without a slash at the end
---@field port integer
local Listener = {}
Listener.__index = Listener
Listener.__name = "tests.hostile.Listener"

local folder = debug.getinfo(1, "S").source:match("^@?(.*)%.lua$")

--- Starts the server. It accepts connections when this returns, and ends at the latest with this
--- process.
---@return tests.hostile
function M.start()
  local command = ("exec setpriv --pdeathsig KILL python3 -B '%s'"):format(folder)
  local pipe = assert(io.popen(command, "r"))
  local ready = pipe:read("l")
  if not ready then
    pipe:close()
    error("the hostile server did not start", 2)
  end
  local server = { pipe = pipe }
  for name, value in ready:gmatch("([%w_]+)=(%S*)") do server[name] = value end
  return setmetatable(server, Server)
end

-- Asks the control port.
function Server:ask(question)
  local c = assert(socket.connect("127.0.0.1", tonumber(self.control)))
  assert(c:send(json.encode(question) .. "\n"))
  local reply = json.decode(assert(c:receive()))
  c:close()
  if reply.error then error(reply.error, 3) end
  return reply.result
end

--- Opens a port with a behaviour.
---@param behaviour string
---@param opts? {args?: table, tls?: boolean, host?: string} args: what the function gets
---@return tests.hostile.Listener
function Server:open(behaviour, opts)
  opts = opts or {}
  local host = opts.host or "127.0.0.1"
  local at = self:ask {
    op = "open", name = behaviour, tls = opts.tls or false, host = host,
    args = opts.args or {},
  }
  at.server = self
  at.url = ("%s://%s:%d"):format(opts.tls and "https" or "http",
    host:find(":") and "[" .. host .. "]" or host, at.port)
  return setmetatable(at, Listener)
end

--- Stops it; safe twice.
function Server:stop()
  if not self.pipe then return end
  os.execute("kill -9 " .. self.pid)
  self.pipe:close()
  self.pipe = nil
  os.execute("rm -rf '" .. self.dir .. "'")
end

Server.close = Server.stop
Server.__close = Server.stop
Server.__gc = Server.stop

--- What the port has seen: `connections`, `closed`, `requests`, `lines` (the last 100 request
--- lines), `received` (the bytes).
function Listener:stats()
  local stats = self.server:ask { op = "stats", id = self.id }
  stats.received = stats.received:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end)
  if stats.failure ~= json.null then error(stats.failure, 2) end
  return stats
end

--- Waits until each counter has at least its value: at:wait{ closed = 2 }. False after 20 s.
function Listener:wait(least)
  least.op, least.id, least.timeout = "wait", self.id, 20
  return self.server:ask(least)
end

--- Gives a behaviour the signal that it waits for.
function Listener:signal()
  self.server:ask { op = "signal", id = self.id }
end

function Listener:close()
  if not self.server then return end
  if self.server.pipe then self.server:ask { op = "close", id = self.id } end
  self.server = nil
end

Listener.__close = Listener.close

-- --- rows ---

-- Open descriptors of this process.
local function descriptors()
  local n = 0
  for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
  return n
end

local function memory()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s*(%d+)"
    if kb then return tonumber(kb) end
  end
end

-- `kind`: one name, or a list of those that are right.
local function is_kind(e, kind)
  for _, one in ipairs(type(kind) == "table" and kind or { kind }) do
    if errors.is(e, one) then return true end
  end
  return false
end

local function read_all(res)
  local pieces = {}
  for piece in res:chunks() do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

local function check_result(row, at, path, ok, res)
  local what = ok and "status " .. res.status or tostring(res)
  if row.kind then
    assert(not ok, "no error, but " .. what)
    assert(is_kind(res, row.kind), "another kind: " .. what)
    if row.text then assert(what:find(row.text), "another text: " .. what) end
  else
    assert(ok, what)
    assert(res.status == (row.status or 200), what)
    if row.body then
      local body = res.body or read_all(res)
      local right = body == (row.body == "path" and path or row.body)
      assert(right, ("body of %d bytes: %s"):format(#body, body:sub(1, 100)))
    end
  end
  if row.check then row.check(res, at) end
end

-- A copy of `base` with the fields of `more`.
local function with(base, more)
  local all = {}
  for _, fields in ipairs { base, more } do
    for name, value in pairs(fields) do all[name] = value end
  end
  return all
end

local function rounds_wanted() return tonumber(os.getenv "HOSTILE_ROUNDS") or 1 end

-- How many times as long as alone a request may take. In the long form many run at once, for hours,
-- beside whatever else the machine does; what hangs still ends as a timeout, which the row refuses.
local function patience() return rounds_wanted() >= 1000 and 6 or 1 end

-- `times` requests to the behaviour, then one to a good server: the client must still be usable.
local function round(row, client, at, good)
  local began = os.time()
  for i = 1, row.times or 1 do
    local path = row.path and row.path:gsub("%%d", i) or "/"
    local opts = with({}, row.opts)
    if row.proxy then opts.proxy = at.url:gsub("^http", row.proxy) end
    check_result(row, at, path, pcall(client.request, client, row.method or "GET",
      row.proxy and row.url or at.url .. path, opts))
  end
  assert(os.difftime(os.time(), began) <= (row.within or 30) * patience(), "not in time")
  -- Floods of other rounds may leave it little of the CPU: the client's own timeout is not for it.
  local after = client:get(good.url, { timeout = 30 * patience() })
  assert(after.body == "ok", "the client is not usable any more")
end

local AT_ONCE = 20 -- rounds

-- Calls fn so many times, some at once.
local function many(n, fn)
  local tasks = {}
  local function some()
    while n > 0 do
      n = n - 1
      fn()
    end
  end
  for i = 1, math.min(AT_ONCE, n) do tasks[i] = some end
  task.gather(tasks)
  task.sleep(0)
  collectgarbage()
end

local PARTS, MORE = 6, 12 -- parts of the rounds after which the memory is looked at; further ones
local LEAK = 4 -- KB that a round may add

-- What the rounds of a part add, in KB: the median of the parts. A leak grows in each of them. What
-- grows by chance (more answers held at once than ever before, holes in the heap) comes to an end.
local function growth(n, one)
  local grown, kb = {}, memory()
  local function median()
    table.sort(grown)
    return grown[(#grown + 1) // 2]
  end
  while #grown < PARTS or #grown < PARTS + MORE and median() >= LEAK * n do
    many(n, one)
    local now = memory()
    grown[#grown + 1], kb = now - kb, now
  end
  return median(), #grown
end

local function run_row(server, row)
  local rounds = rounds_wanted()
  local at <close> = server:open(row[1], { args = row.args, tls = row.tls, host = row.host })
  local good <close> = server:open "good"
  local timeout = 20 * patience()
  local function one()
    local client <close> = http.client(with({ ca = server.ca, timeout = timeout }, row.client))
    round(row, client, at, good)
  end
  many(1, one)
  local fds, tasks = descriptors(), core.count()
  local part = rounds >= 1000 and rounds // (PARTS + 2) or 0
  many(rounds - part * PARTS, one)
  if part > 0 then
    local kb, parts = growth(part, one)
    assert(kb < LEAK * part, ("memory grew by %d KB in half of %d parts of %d rounds")
      :format(kb, parts, part))
  end
  at:stats()
  assert(descriptors() <= fds, "descriptors are left open")
  assert(core.count() <= tasks, "tasks are left")
end

--- Makes a test of each row: { BEHAVIOUR, "what is tested", ... }; see tests/README.md.
---@param server fun(): tests.hostile
---@param rows table[]
function M.rows(server, rows)
  for _, row in ipairs(rows) do
    it(("%s: %s"):format(row[1], row[2]), function() run_row(server(), row) end)
  end
end

return M
