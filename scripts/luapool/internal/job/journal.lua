-- internal.job.journal: what `luapool run --resume FILE` keeps of a job, in a database of SQLite:
-- how far the input was read, which items have not ended, what was added, attempts, what was seen,
-- how far the output was written. What has changed is one transaction, at most ten times a second:
-- the output is brought to the disk first, then its length is committed together with what stands
-- in it. So what stands behind the committed length of an output is of items that have not ended.
--
-- An item of the input is its place there, and is had by reading the input again. Items that were
-- added stand in blocks, as bytes; a block is deleted when all of it has ended. `entry.id` is minus
-- the place in the input, or block * BLOCK + place in the block. Runs in main only.
--@whole

local core = require "luapool.sqlite.core"
local job_core = require "luapool.job.core"
local sync = require "luapool.sync"
local task = require "luapool.task"

local M = {}

-- Seconds between two commits, at least; and how many times as long as a commit takes.
local PAUSE, SHARE = 0.1, 4

-- Entries of a block at most; what each of them is in it.
local BLOCK = 256
local FIELDS = { "item", "kind", "depth", "referrer", "priority", "internal", "boxed" }
local WIDTH = #FIELDS

--- The tables. `state` has two rows: 1 is the run (luapool.internal.job.resume), 2 how far it is.
M.SCHEMA = {
  "CREATE TABLE state (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
  "CREATE TABLE block (id INTEGER PRIMARY KEY, entries BLOB NOT NULL)",
  [[CREATE TABLE ended (block INTEGER, n INTEGER, places BLOB NOT NULL,
    PRIMARY KEY (block, n)) WITHOUT ROWID]],
  "CREATE TABLE seen (n INTEGER PRIMARY KEY, hashes BLOB NOT NULL)",
  "CREATE TABLE attempt (id INTEGER PRIMARY KEY, n INTEGER, elapsed REAL, waited REAL)",
}

---@class luapool.job.journal
---@field db luapool.sqlite.Db
---@field path string
---@field stage "running"|"ended"|"finished" ended: all items have; finished: all is done
---@field reads integer how many items of the input were read
---@field reread integer how many of those of earlier runs have been read again
---@field before integer how many those are
---@field adds integer how many items the job's `items` has added in main
---@field readds integer how many of them in this run
---@field last any the latest item that was read since the latest commit
---@field last_bytes string|nil the latest one that was read before, as bytes
---@field open table<integer, true> the places of the items of the input that have not ended
---@field live table<integer, integer> how many entries of a block have not ended; the one that is
--- filled counts as full
---@field blocks table<integer, luapool.job.entry[]> what was added since the latest commit
---@field block integer the number of the latest block
---@field fresh luapool.job.entry[]|nil the one that is filled
---@field in_fresh integer how many entries it has; BLOCK where there is none
---@field ended table<integer, integer[]> by block: what has ended since the latest commit
---@field attempts table<integer, luapool.job.entry|false> since the latest commit; false: has ended
---@field settling integer of how many items what belongs to their end is being done: meanwhile, and
--- when that has failed, nothing is committed
---@field changed boolean there is something to commit
---@field news luapool.Promise|nil the task that commits waits for it
---@field keeper luapool.Task|nil that task
---@field earlier table what earlier runs have committed last
---@field committed table what was committed last
---@field least number seconds between two commits, at least
---@field pause number those before the next one
---@field state fun(): table what else is kept, as of now
---@field marks (fun(): function)[] of each output: what is to be called before the commit
local Journal = { __name = "luapool.job.journal" }
Journal.__index = Journal

-- ---- changes ----

local function ring(self)
  local promise = self.news
  self.news = nil
  if promise then promise:resolve() end
end

local function change(self)
  if self.changed then return end
  self.changed = true
  ring(self)
end

-- Raises because a value of the user's has no form in the file.
local function check_item(item)
  local type = type(item)
  if type == "string" or type == "number" or type == "boolean" then return end
  local ok, bytes = pcall(job_core.pack, item)
  local plain = ok and bytes and pcall(job_core.unpack, bytes, true)
  if plain then return end
  local why = not ok and bytes.message or "it has functions, modules or objects of luapool.sync"
  error(("--resume cannot keep an item: %s"):format(why), 0)
end

--- Notes an item of the input that was read; `entry` is nil when it was seen before.
---@param item any
---@param entry luapool.job.entry|nil
function Journal:read(item, entry)
  local n = self.reads + 1
  self.reads, self.last = n, item
  if entry then
    entry.id = -n
    self.open[n] = true
  end
  if not self.changed then change(self) end
end

--- Notes an entry that was added. What it is is taken when it is committed.
---@param entry luapool.job.entry
function Journal:added(entry)
  local item, meta, n = entry.item, entry.meta, self.in_fresh
  if type(item) ~= "string" then check_item(item) end
  if meta ~= nil then
    check_item(meta)
    entry.boxed = { meta }
  end
  if n == BLOCK then
    n = 0
    local number = self.block + 1
    self.block, self.fresh = number, {}
    self.blocks[number], self.live[number] = self.fresh, BLOCK
  end
  entry.id = self.block * BLOCK + n
  n = n + 1
  self.fresh[n], self.in_fresh = entry, n
  if not self.changed then change(self) end
end

--- Notes that the job's `items` adds an item in main. Returns whether it had done so in an earlier
--- run; not where that is known by what was seen.
---@param seen boolean
---@return boolean
function Journal:adds_again(seen)
  if seen then return false end
  self.readds = self.readds + 1
  if self.readds <= self.adds then return true end
  self.adds = self.readds
  return false
end

--- Notes that an entry has ended.
---@param entry luapool.job.entry
function Journal:ends(entry)
  local id = entry.id
  if not id then return end -- a question for a robots.txt
  if id < 0 then
    self.open[-id] = nil
  else
    local block = id // BLOCK
    local places = self.ended[block]
    if not places then
      places = {}
      self.ended[block] = places
    end
    places[#places + 1] = id % BLOCK
    self.live[block] = self.live[block] - 1
  end
  if entry.attempts then self.attempts[id] = false end
  if not self.changed then change(self) end
end

--- Notes that another attempt of an entry is to come.
---@param entry luapool.job.entry
function Journal:again(entry)
  if not entry.id or not entry.attempts then return end
  self.attempts[entry.id] = entry
  change(self)
end

--- Says that what belongs to the end of an item is going to be done.
function Journal:settles() self.settling = self.settling + 1 end

--- Says that all of it has been done.
function Journal:settled()
  self.settling = self.settling - 1
  if self.late then ring(self) end
end

-- ---- commits ----

local function add_blocks(self, batch)
  local live, blocks, last = self.live, self.blocks, self.block
  if self.fresh then live[last] = live[last] - (BLOCK - self.in_fresh) end
  self.blocks, self.fresh, self.in_fresh = {}, nil, BLOCK
  for number, block in pairs(blocks) do
    if live[number] > 0 then
      local bytes = job_core.pack(job_core.flat(block, FIELDS))
      batch:add("INSERT INTO block VALUES (?, ?)", number, core.blob(bytes))
    end
  end
end

local function add_ended(self, batch)
  local ended, live = self.ended, self.live
  self.ended = {}
  for block, places in pairs(ended) do
    if live[block] > 0 then
      batch:add("INSERT INTO ended VALUES (?, ?, ?)", block, self.commits,
        core.blob(string.char(table.unpack(places))))
    else
      live[block] = nil
      batch:add("DELETE FROM block WHERE id = ?", block)
      batch:add("DELETE FROM ended WHERE block = ?", block)
    end
  end
end

local function add_attempts(self, batch)
  local attempts = self.attempts
  if not next(attempts) then return end
  self.attempts = {}
  for id, entry in pairs(attempts) do
    if entry then
      batch:add("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)", id, entry.attempts,
        entry.elapsed or 0, entry.waited or 0)
    else
      batch:add("DELETE FROM attempt WHERE id = ?", id)
    end
  end
end

-- How far the run is, but for its outputs.
local function state_of(self, stage)
  local open = {}
  for place in pairs(self.open) do open[#open + 1] = place end
  if self.last ~= nil then -- one that cannot be packed cannot be compared
    local ok, last = pcall(job_core.pack, self.last)
    self.last, self.last_bytes = nil, ok and last or nil
  end
  local state = self.state()
  state.stage, state.reads, state.adds, state.block = stage, self.reads, self.adds, self.block
  state.open, state.last, state.commits = open, self.last_bytes, self.commits
  return state
end

local STATE = "INSERT OR REPLACE INTO state VALUES (2, ?)"

-- What has changed is taken at once; then the outputs are brought to the disk, which waits.
local function commit(self, stage)
  local batch = core.batch(self.db)
  self.changed, self.commits = false, self.commits + 1
  add_blocks(self, batch)
  add_ended(self, batch)
  add_attempts(self, batch)
  local hashes = self.seen and self.seen:news() or ""
  if hashes ~= "" then batch:add("INSERT INTO seen (hashes) VALUES (?)", core.blob(hashes)) end
  local state, waits = state_of(self, stage), {}
  for name, output in pairs(self.outputs) do waits[name] = output:mark() end
  state.outputs = {}
  for name, wait in pairs(waits) do state.outputs[name] = wait() end
  batch:add(STATE, core.blob(job_core.pack(state)))
  batch:run()
  self.stage, self.committed = stage, state
end

--- Commits what has changed.
---@param stage? "ended"
function Journal:commit(stage)
  local _ <close> = self.lock:hold()
  if not self.changed and not stage then return end
  if self.broken then error(self.broken, 0) end -- what it should have committed is missing
  local ok, e = pcall(commit, self, stage or self.stage)
  if ok then return end
  self.broken = e
  if type(e) == "table" and e.kind == "sqlite" then
    e = ("cannot write %s: %s"):format(self.path, (e.message:gsub("^[%w.:]+: ", "")))
    self.broken = e
  end
  error(e, 0)
end

-- The task that commits.
local function keep(self)
  while true do
    if not self.changed then
      self.news = task.promise()
      task.wait { self.news }
    end
    task.sleep(self.pause)
    while self.settling > 0 do
      self.late, self.news = true, task.promise()
      task.wait { self.news }
    end
    self.late = false
    local began = task.now()
    local ok, e = pcall(self.commit, self)
    if not ok then return self.on_fail(e) end
    self.pause = math.max(self.least, SHARE * (task.now() - began))
  end
end

--- Begins to commit what changes.
---@param outputs table<string, { mark: fun(self): fun(): table }> what is brought to the disk
---@param state fun(): table what else is to be kept
---@param on_fail fun(e: any) called once when something could not be written
function Journal:start(outputs, state, on_fail)
  self.outputs, self.state, self.on_fail = outputs, state, on_fail
  self.least = outputs.output.pause or PAUSE
  self.pause = self.least
  self.keeper = task.spawn(keep, self)
  self.keeper:name "resume"
end

--- Ends that, when no commit is under way. What has changed since is not committed.
function Journal:stop()
  if not self.keeper then return end
  local _ <close> = self.lock:hold()
  self.keeper:cancel()
  self.keeper = nil
end

--- Notes that all is done, and closes the file.
function Journal:finish()
  self.committed.stage = "finished"
  self.db:exec(STATE, core.blob(job_core.pack(self.committed)))
  self:close()
end

--- Closes the file.
function Journal:close()
  self:stop()
  self.db:close()
  self.claim:close() -- behind the database: closing any descriptor of the file drops its locks
end

-- ---- what earlier runs have left ----

local function entry_of(block, at, id, attempt)
  local meta = block[at + 7]
  local entry = { item = block[at + 1], kind = block[at + 2], depth = block[at + 3],
    referrer = block[at + 4] or nil, priority = block[at + 5] or nil,
    internal = block[at + 6] or nil, meta = meta and meta[1], turn = 0, host = nil, id = id }
  if meta == false then entry.meta = nil end
  if attempt then
    entry.attempts, entry.elapsed, entry.waited = attempt.n, attempt.elapsed, attempt.waited
  end
  return entry
end

local function ended_places(self)
  local gone = {}
  for row in self.db:rows "SELECT block, places FROM ended" do
    for _, place in ipairs { row.places:byte(1, -1) } do gone[row.block * BLOCK + place] = true end
  end
  return gone
end

--- Calls `fn` with each entry that was added and has not ended, in the order in which they were.
---@param fn fun(entry: luapool.job.entry)
function Journal:each_added(fn)
  local gone = ended_places(self)
  for row in self.db:rows "SELECT id, entries FROM block ORDER BY id" do
    local live, block = 0, job_core.unpack(row.entries, true)
    for at = 0, #block - 1, WIDTH do
      local id = row.id * BLOCK + at // WIDTH
      if not gone[id] then
        live = live + 1
        fn(entry_of(block, at, id, self.tried[id]))
      end
    end
    self.live[row.id] = live
  end
end

--- The set of what was seen, with what earlier runs have seen.
---@param fragments boolean
---@return userdata
function Journal:open_seen(fragments)
  local row = self.db:first "SELECT hashes FROM seen WHERE n = 0"
  local seen = job_core.seen(fragments, row and row.hashes)
  if row then
    for hashes in self.db:rows "SELECT hashes FROM seen WHERE n > 0 ORDER BY n" do
      seen:restore(hashes.hashes)
    end
  else
    self.db:exec("INSERT INTO seen VALUES (0, ?)", core.blob(seen:key()))
  end
  seen:news()
  self.seen = seen
  return seen
end

--- Whether the next item of the input is one that an earlier run has read.
---@return boolean
function Journal:is_rereading() return self.reread < self.before end

--- How many items are still to be read again.
---@return integer
function Journal:left() return self.before - self.reread end

--- Takes an item that is read again. Raises when it is another one than before, as far as that is
--- known. Returns its place and what is known of its attempts, or nil when it has ended.
---@param item any
---@return integer|nil place
---@return table? attempt
function Journal:read_again(item)
  local n = self.reread + 1
  self.reread = n
  if n == self.before and self.last_bytes then
    local ok, bytes = pcall(job_core.pack, item)
    if not ok or bytes ~= self.last_bytes then
      error(("%s: item %d of 'items' is another one than before: they must come again in the "
        .. "same order"):format(self.path, n), 0)
    end
  end
  if not self.open[n] then return nil end
  return n, self.tried[-n]
end

--- Raises when the input has ended before all has come again that was read before.
function Journal:check_end()
  if not self:is_rereading() then return end
  error(("%s: 'items' ended after %d items, but %d were read before: they must come again in the "
    .. "same order"):format(self.path, self.reread, self.before), 0)
end

--- A journal of a database that has the tables; `state` is how far earlier runs have come.
---@param fields { db: luapool.sqlite.Db, path: string, claim: file*, state: table|nil }
---@return luapool.job.journal
function M.new(fields)
  local state, open, tried = fields.state or {}, {}, {}
  for _, place in ipairs(state.open or {}) do open[place] = true end
  for row in fields.db:rows "SELECT * FROM attempt" do tried[row.id] = row end
  return setmetatable({
    db = fields.db,
    path = fields.path,
    claim = fields.claim,
    stage = state.stage or "running",
    earlier = state,
    committed = state,
    reads = state.reads or 0,
    before = state.reads or 0,
    reread = 0,
    adds = state.adds or 0,
    readds = 0,
    last_bytes = state.last,
    open = open,
    tried = tried,
    live = {},
    blocks = {},
    block = state.block or 0,
    in_fresh = BLOCK,
    ended = {},
    attempts = {},
    outputs = {},
    commits = state.commits or 0,
    settling = 0,
    changed = false,
    lock = sync.lock(),
  }, Journal)
end

return M
