-- internal.job.resume: opens the file of `luapool run --resume FILE`: whether it is one of ours, of
-- this job with these arguments, and free. A file that is not there is made. Runs in main only.
--@whole

local beside = require "luapool.internal.beside"
local core = require "luapool.core"
local digest = require "luapool.digest"
local encode = require("luapool.json.core").encode
local errors = require "luapool.error"
local fs_core = require "luapool.fs.core"
local job_core = require "luapool.job.core"
local journals = require "luapool.internal.job.journal"
local output = require "luapool.internal.job.output"
local screen = require "luapool.term.core"
local sqlite = require "luapool.sqlite"
local sqlite_core = require "luapool.sqlite.core"

local M = {}

-- "LPR1": the mark of our databases, and the version of their tables.
local APPLICATION, VERSION = 0x4C505231, 1

-- Raises the one line that the run ends with.
local function fail(text, ...) error({ line = text:format(...) }, 0) end

-- What tells runs apart. `about` are names that are compared, and how they are told.
local function run_of(about)
  local ok, settings = pcall(encode, about.config, nil, true)
  return {
    job = about.path:match "[^/]*$",
    args = #about.args == 0 and "none" or table.concat(about.args, " "),
    output = about.output or "none",
    kinds = table.concat(about.kinds, ", "),
    text = digest.sha256(about.text),
    settings = ok and settings or "",
    version = core.version,
  }
end

local differences = {
  { "job", "is of another job: %s, not %s" },
  { "args", "is of a run with other arguments: %s, not %s" },
  { "output", "is of a run with another output: %s, not %s" },
  { "kinds", "is of a job with other kinds of items: %s, not %s" },
  { "version", "is of luapool %s, and this is %s" },
}

local function compare(path, before, now)
  for _, row in ipairs(differences) do
    local name, text = row[1], row[2]
    if before[name] ~= now[name] then
      fail("%s " .. text .. " (another file for --resume begins anew)", path, before[name],
        now[name])
    end
  end
  for _, row in ipairs { { "text", now.job .. " has" }, { "settings", "the settings have" } } do
    if before[row[1]] ~= now[row[1]] then
      screen.print(("luapool: %s changed since %s was begun: what is left is done the new way\n")
        :format(row[2], path))
    end
  end
end

local function create(db, run)
  db:exec "PRAGMA journal_mode = WAL"
  db:transaction(function()
    for _, sql in ipairs(journals.SCHEMA) do db:exec(sql) end
    db:exec("PRAGMA application_id = " .. APPLICATION)
    db:exec("PRAGMA user_version = " .. VERSION)
    db:exec("INSERT INTO state VALUES (1, ?)", sqlite_core.blob(job_core.pack(run)))
  end)
end

-- The state of the earlier runs, nil when there were none; then whether the file is new.
local function read_state(db, path, run)
  local id = db:first("PRAGMA application_id").application_id
  if id ~= APPLICATION then
    local table = db:first "SELECT name FROM sqlite_master WHERE type = 'table'"
    if id == 0 and not table then return nil, true, create(db, run) end
    fail("%s is a database of something else%s: it is left as it is", path,
      table and (" (with a table '%s')"):format(table.name) or "")
  end
  local version = db:first("PRAGMA user_version").user_version
  if version ~= VERSION then
    fail("%s is of another version of luapool (its tables have version %d, not %d)", path, version,
      VERSION)
  end
  local rows = {}
  for row in db:rows "SELECT id, bytes FROM state" do
    rows[row.id] = job_core.unpack(row.bytes, true)
  end
  compare(path, rows[1], run)
  -- What is done the new way from now on is told no more.
  db:exec("UPDATE state SET bytes = ? WHERE id = 1", sqlite_core.blob(job_core.pack(run)))
  return rows[2]
end

local clear = {
  SQLITE_NOTADB = "is no database: it is left as it is",
  SQLITE_CORRUPT = "is damaged: restore it from a backup, or see sqlite3's .recover",
}

local function open(self, path, run)
  local claim, why = fs_core.claim(fs_core.realpath(path) or path)
  if not claim then
    if why == "another run is writing it" then fail("%s: another run uses it", path) end
    fail("%s", beside.cannot(path, why))
  end
  self.claim = claim
  self.db = sqlite.open(fs_core.realpath(path))
  self.path = path
  self.state, self.is_new = read_state(self.db, path, run)
  return journals.new(self), self.is_new
end

-- Opens the file. Returns nil and one line when it cannot be used, else the journal and whether it
-- is new.
local function open_file(path, about)
  local opened = {}
  local ok, result, is_new = pcall(open, opened, path, run_of(about))
  if ok then return result, is_new end
  if opened.db then opened.db:close() end
  if opened.claim then opened.claim:close() end
  if type(result) == "table" and result.line then return nil, result.line end
  if errors.is(result, "sqlite") or errors.is(result, "busy") then
    local text, why = clear[result.code], result.message:gsub("^[%w.:]+: ", "")
    return nil, text and ("%s %s"):format(path, text) or beside.cannot(path, why)
  end
  error(result, 0)
end

local function tell(journal)
  local n = 0
  for _, of in pairs(journal.earlier.kinds or {}) do n = n + of.success + of.failure end
  if n == 0 or journal.stage ~= "running" then return end
  screen.print(("luapool: %s: goes on where an earlier run was: %d items have ended\n")
    :format(journal.path, n))
end

--- Opens the file of --resume, and the output behind what earlier runs have written. Returns
--- nil and one line when they cannot be used.
---@param spec table see luapool.internal.job.spec
---@param opts table of luapool.internal.job
---@param config table
---@return luapool.job.output|nil
---@return string? message
---@return luapool.job.journal?
function M.open(spec, opts, config)
  if opts.append then
    return nil, "--append and --resume do not go together: a run that goes on adds to its output"
  end
  if opts.resume == "" or opts.resume:find "^sqlite:" or opts.resume:find "^%a[%w+.-]*://" then
    return nil, ("--resume names a file, such as run.db, not '%s'"):format(opts.resume)
  end
  local name = not spec.on_result and (opts.output or spec.output) or nil
  if output.is_same(name, opts.resume) then
    return nil, "the output and --resume name the same file: " .. opts.resume
  end
  local journal, detail = open_file(opts.resume, {
    path = opts.path, text = opts.text, args = opts.args, config = config, kinds = spec.names,
    output = name or spec.on_result and "on_result",
  })
  if not journal then return nil, detail end
  local marks = journal.earlier.outputs or {}
  local out, message
  if spec.on_result or journal.stage == "finished" then
    out = output.nowhere()
  else
    out, message = output.resume(name, spec.columns, marks.output)
  end
  if out then
    if not opts.quiet then tell(journal) end
    return out, nil, journal
  end
  journal:close()
  if detail then fs_core.remove(fs_core.realpath(opts.resume)) end -- nothing has begun
  return nil, message
end

return M
