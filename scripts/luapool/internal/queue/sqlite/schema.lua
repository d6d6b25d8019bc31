-- internal.queue.sqlite.schema: the tables of a store on SQLite. Times are microseconds since 1970.
--
-- Each job is a row, and its `state` says where it stands. What must happen when a job changes its
-- state is done by triggers, in the same transaction: lanes of keys, parents of flows, totals. A
-- trigger costs as much as a statement, also where its condition does not hold, so they look at
-- `moved`: each statement that changes a state sets it (to NULL), but for two, which concern no
-- other job: a claim, and the end of a job that has neither key nor parent nor mark.

local errors = require "luapool.error.core"

local M = {}

-- "LPQ1": the mark of our databases, and the version of what stands below.
M.APPLICATION, M.VERSION = 0x4C505131, 1

M.SCHEDULED, M.READY, M.PARKED, M.BLOCKED, M.RUNNING = 1, 2, 3, 4, 5
M.DONE, M.FAILED, M.CANCELLED, M.EXPIRED = 6, 7, 8, 9

--- The names of states. A job behind others of its key is as good as waiting.
M.names = { "scheduled", "waiting", "waiting", "blocked", "running", "done", "failed", "cancelled",
  "expired" }

--- How long failed jobs are kept, and those that were cancelled or have expired.
M.KEEP_FAILED, M.KEEP_ENDED = 30 * 86400 * 1000000, 3600 * 1000000

-- The same as SQL, in which a job that is kept for its result, or for its `unique`, is kept for
-- longer.
M.KEPT_ENDED = ("max(ifnull(ttl, 0), ifnull(uniq_for, 0), %d)"):format(M.KEEP_ENDED)
M.KEPT_FAILED = ("max(ifnull(ttl, 0), ifnull(uniq_for, 0), %d)"):format(M.KEEP_FAILED)

-- Only jobs that may start stand in job_ready, so a claim looks at no others, however many wait.
local tables = [[
CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  paused INTEGER NOT NULL DEFAULT 0, per_key INTEGER, strict INTEGER NOT NULL DEFAULT 0,
  lost_fails INTEGER NOT NULL DEFAULT 0, host_retries INTEGER NOT NULL DEFAULT 3);
CREATE TABLE job (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,
  state INTEGER NOT NULL, priority INTEGER NOT NULL, args TEXT NOT NULL, put INTEGER NOT NULL,
  time INTEGER, token INTEGER NOT NULL DEFAULT 0, owner INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0, ttl INTEGER, started INTEGER, ended INTEGER, result TEXT,
  error TEXT, expires INTEGER, key TEXT, uniq TEXT, uniq_for INTEGER, parent TEXT, marked INTEGER,
  moved INTEGER);
CREATE INDEX job_ready ON job (kind, priority DESC, seq) WHERE state = 2;
CREATE INDEX job_due ON job (time) WHERE state = 1;
CREATE INDEX job_time ON job (time) WHERE time IS NOT NULL AND state <> 1;
CREATE INDEX job_running ON job (kind) WHERE state = 5;
CREATE UNIQUE INDEX job_uniq ON job (kind, uniq) WHERE uniq IS NOT NULL;
CREATE INDEX job_lane ON job (kind, key, state, priority DESC, seq) WHERE key IS NOT NULL;
CREATE INDEX job_parent ON job (parent) WHERE parent IS NOT NULL;
CREATE INDEX job_failed ON job (kind, seq) WHERE state = 7;
CREATE TABLE mark (seq INTEGER PRIMARY KEY, crashes INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0, cancel INTEGER NOT NULL DEFAULT 0, share REAL, text TEXT);
CREATE TABLE flow (parent TEXT PRIMARY KEY, pending INTEGER NOT NULL, missed INTEGER NOT NULL,
  lenient INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE total (kind INTEGER, state INTEGER, n INTEGER NOT NULL,
  PRIMARY KEY (kind, state)) WITHOUT ROWID;
CREATE TABLE owner (id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, pid INTEGER,
  since INTEGER);
CREATE TABLE start (kind INTEGER, at INTEGER, n INTEGER NOT NULL,
  PRIMARY KEY (kind, at)) WITHOUT ROWID;
CREATE TABLE cron (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
]]

--- The statements that fill a lane, of this kind and key (as SQL): of the jobs of one key as
--- many may start as `per_key` allows, those of the highest priority that were put first. With
--- `strict` one that waits for its next try keeps its place.
---@param kind string
---@param key string
---@return string[]
function M.fill(kind, key)
  local lane = ("kind = %s AND key = %s"):format(kind, key)
  return {
    ([[UPDATE job SET state = 3 WHERE %s AND state = 2
    AND (SELECT per_key FROM kind WHERE id = %s) IS NOT NULL]]):format(lane, kind),
    ([[UPDATE job SET state = 2 WHERE seq IN (SELECT seq FROM job
    WHERE %s AND state = 3 ORDER BY priority DESC, seq
    LIMIT max(0, ifnull((SELECT per_key FROM kind WHERE id = %s), 1000000000)
      - (SELECT count(*) FROM job WHERE %s AND state = 5)
      - (SELECT strict FROM kind WHERE id = %s) * (SELECT count(*) FROM job
        WHERE %s AND state = 1 AND attempts > 0)))]]):format(lane, kind, lane, kind, lane),
  }
end

local fill = table.concat(M.fill("NEW.kind", "NEW.key"), ";\n") .. ";"

local child_failed = [['{"kind":"child_failed",]]
  .. [["message":"a job that it waited for has not ended well"}']]

local triggers = [[
CREATE TRIGGER job_lane AFTER UPDATE OF moved ON job WHEN NEW.key IS NOT NULL
BEGIN ]] .. fill .. [[ END;
CREATE TRIGGER job_ended AFTER UPDATE OF moved ON job WHEN OLD.state < 6 AND NEW.state >= 6
  AND (NEW.state > 6 OR NEW.parent IS NOT NULL OR NEW.marked IS NOT NULL)
BEGIN
  INSERT INTO total SELECT NEW.kind, NEW.state, 1 WHERE NEW.state > 6
    ON CONFLICT DO UPDATE SET n = n + 1;
  UPDATE job SET time = CASE NEW.state WHEN 7 THEN NEW.time ELSE NEW.ended + ifnull(ttl, 0) END
    WHERE parent = NEW.id AND state = 6;
  UPDATE job SET time = ifnull((SELECT time FROM job WHERE id = NEW.parent AND state = 7),
    NEW.ended + ifnull(NEW.ttl, 0)) WHERE seq = NEW.seq AND NEW.state = 6
    AND NEW.parent IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM job WHERE id = NEW.parent AND state < 6);
  UPDATE flow SET pending = pending - 1, missed = missed + (NEW.state <> 6)
    WHERE parent = NEW.parent;
  UPDATE job SET state = CASE WHEN key IS NULL THEN 2 ELSE 3 END, time = expires, moved = NULL
    WHERE id = NEW.parent AND state = 4 AND EXISTS (SELECT 1 FROM flow
      WHERE parent = NEW.parent AND pending = 0 AND (missed = 0 OR lenient));
  UPDATE job SET state = 7, error = ]] .. child_failed .. [[, ended = NEW.ended,
    moved = NULL, time = NEW.ended + ]] .. M.KEEP_FAILED .. [[
    WHERE id = NEW.parent AND state = 4 AND EXISTS (SELECT 1 FROM flow
      WHERE parent = NEW.parent AND missed > 0 AND NOT lenient);
END;
CREATE TRIGGER job_back AFTER UPDATE OF moved ON job WHEN OLD.state > 6 AND NEW.state < 6
BEGIN
  UPDATE total SET n = n - 1 WHERE kind = NEW.kind AND state = OLD.state;
  UPDATE flow SET pending = pending + 1, missed = missed - 1 WHERE parent = NEW.parent;
  UPDATE job SET time = NULL WHERE parent = NEW.id AND state = 6;
  UPDATE job SET state = 4, error = NULL, ended = NULL, time = NULL, moved = NULL
    WHERE id = NEW.parent AND state = 7 AND error = ]] .. child_failed .. [[;
END;
CREATE TRIGGER job_gone AFTER DELETE ON job WHEN OLD.marked IS NOT NULL
BEGIN
  DELETE FROM mark WHERE seq = OLD.seq;
  DELETE FROM flow WHERE parent = OLD.id;
END;
]]

local function fail(address, code, text, ...)
  text = ("queue.open: '%s' "):format(address.url) .. text:format(...)
  errors.raise("queue", text, { code = code })
end

-- The marks in one statement: another process may make the tables at this moment.
local MARKS = [[SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) AS n
  FROM pragma_application_id, pragma_user_version]]

-- Refuses the database of another program. Returns the marks: zero where it is empty.
local function check_owner(db, address)
  local marks = db:first(MARKS)
  local application, version = marks.application_id, marks.user_version
  local empty = application == 0 and version == 0 and marks.n == 0
  if application ~= M.APPLICATION and not empty then
    fail(address, "not_a_store", "is the database of another program, not of a queue")
  end
  return application, version
end

-- Checks the marks of the database; makes the tables in an empty one.
local function check(db, address)
  local application, version = check_owner(db, address)
  if application ~= M.APPLICATION then
    db:exec(tables)
    db:exec(triggers)
    local marks = "PRAGMA application_id = %d; PRAGMA user_version = %d"
    db:exec(marks:format(M.APPLICATION, M.VERSION))
  elseif version ~= M.VERSION then
    fail(address, "version", "has version %d, this luapool works with version %d: %s", version,
      M.VERSION, version > M.VERSION and "use the newer luapool" or "it is too old")
  end
end

--- Sets a connection up, and makes the tables when the database is new.
---@param db luapool.sqlite.Db
---@param address luapool.queue.Address
function M.open(db, address)
  check_owner(db, address) -- the next line would change a database of another program, too
  local mode = db:first("PRAGMA journal_mode = WAL").journal_mode
  if mode ~= "wal" then
    fail(address, "network_file_system", "lies where SQLite cannot share memory between processes")
  end
  db:exec "PRAGMA synchronous = FULL"
  db:exec "PRAGMA secure_delete = 0"
  db:exec "PRAGMA recursive_triggers = 1"
  db:transaction(function() check(db, address) end)
end

return M
