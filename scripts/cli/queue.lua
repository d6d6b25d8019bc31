-- cli.queue: luapool queue VERB URL: looks into a queue and steers it. Each verb is a row of
-- `verbs`; what it returns is shown as a table for people, or as lines of JSON for programs.

local cli = require "cli.options"
local color = require "luapool.internal.color"
local errors = require "luapool.error.core"
local json = require "luapool.json"
local options = require "luapool.internal.options"
local stdout = require "cli.stdout"
local text_of = require("luapool.error.core").text

local STATES = { "scheduled", "waiting", "blocked", "running", "done", "failed", "cancelled",
  "expired" }

local M = {
  usage = "queue VERB URL [options]",
  summary = "look into a queue of jobs, and steer it",
  about = "Looks into a queue (sqlite:PATH, or the URL of a Redis) and steers it.",
  verbs = {
    { "ls", "URL", "the jobs, by --state and --kind; --after ID: those behind it" },
    { "failed", "URL", "those that have failed, with their errors" },
    { "show", "URL ID...", "all that is known of jobs" },
    { "stats", "URL", "how many jobs of each kind are in which state" },
    { "put", "URL KIND [ARGS]", "puts a job and prints its id; ARGS are JSON" },
    { "retry", "URL [ID...]", "failed, cancelled and expired jobs start again; "
      .. "--kind: all failed ones of a kind" },
    { "cancel", "URL ID...", "they do not start, or are asked to stop" },
    { "pause", "URL KIND...", "no more jobs of these kinds start" },
    { "resume", "URL KIND...", "they start again" },
    { "purge", "URL", "removes jobs, by --state, --kind and --older; "
      .. "those that have not begun are cancelled" },
  },
  options = {
    { false, "json", false, "flag", "JSON for programs: a line for each job" },
    { false, "state", "STATE", STATES, "in this state alone" },
    { false, "kind", "KIND", "string", "of this kind alone" },
    { false, "limit", "N", "count", "so many jobs at most", "100" },
    { false, "after", "ID", "string", "jobs behind this one" },
    { false, "older", "S", "amount", "purge: ended, or put, S seconds ago" },
    { false, "delay", "S", "amount", "put: it starts in S seconds" },
    { false, "priority", "N", "priority", "put: the largest starts first", "0" },
    { false, "key", "KEY", "string", "put: of a tenant" },
    { false, "unique", "VALUE", "string", "put: no second job of the kind with it" },
    { false, "expires", "S", "positive", "put: it does not start after S seconds" },
    { false, "result-ttl", "S", "amount", "put: its result is kept for S seconds" },
    cli.help,
  },
  status = {
    { 0, "all went well" },
    { 1, "there is no such job, or the queue cannot be reached" },
    { 2, "wrong usage" },
  },
  examples = {
    { "luapool queue stats sqlite:jobs.db", "what there is" },
    { "luapool queue put sqlite:jobs.db mail '{\"to\": \"ada\"}'", "a job of kind mail" },
    { "luapool queue retry redis://localhost --kind mail", "all that have failed" },
  },
}

-- ---- for people ----

local COLORS = { running = 36, done = 32, failed = 31, cancelled = 33, expired = 33, paused = 33 }

-- How long a time is, such as "3 min".
local function duration(seconds)
  if seconds < 100 then return ("%.0f s"):format(seconds) end
  if seconds < 6000 then return ("%.0f min"):format(seconds / 60) end
  if seconds < 2 * 86400 then return ("%.0f h"):format(seconds / 3600) end
  return ("%.0f d"):format(seconds / 86400)
end

-- A value in one line, of `most` characters where that is said.
local function one_line(value, most)
  if value == nil then return "" end
  local text = type(value) == "string" and value or json.encode(value)
  text = text:gsub("[%c\x7F]", " ")
  local cut = most and utf8.len(text) and utf8.offset(text, most)
  return cut and cut <= #text and text:sub(1, cut - 1) .. "…" or text
end

-- Prints rows under a heading; what has a colour is a state.
local function print_table(heading, rows)
  local widths, colors = {}, color.wanted(1)
  for _, row in ipairs { heading, table.unpack(rows) } do
    for i = 1, #heading do
      widths[i] = math.max(widths[i] or 0, utf8.len(row[i]) or #row[i])
    end
  end
  local function line(row, bold)
    local cells = {}
    for i, cell in ipairs(row) do
      local pad = i < #row and (" "):rep(widths[i] - (utf8.len(cell) or #cell)) or ""
      local code = colors and (bold and 1 or COLORS[cell])
      cells[i] = (code and ("\27[%dm%s\27[0m"):format(code, cell) or cell) .. pad
    end
    return (table.concat(cells, "  "):gsub(" +$", "")) .. "\n"
  end
  local lines = { line(heading, true) }
  for _, row in ipairs(rows) do lines[#lines + 1] = line(row) end
  stdout.write(table.concat(lines))
end

local function age(time) return time and duration(math.max(0, os.time() - time)) or "" end

local function note_of(job)
  if job.error then return job.error.message or job.error end
  if job.progress then
    return ("%.0f %% %s"):format(job.progress.share * 100, job.progress.text or "")
  end
  if job.cancel then return "asked to stop" end
  return job.key and "key " .. job.key or nil
end

-- Of failed jobs the whole error is shown.
local function show_jobs(jobs)
  if not jobs[1] then return stdout.write "no such jobs\n" end
  local rows = {}
  for i, job in ipairs(jobs) do
    rows[i] = { job.id, one_line(job.kind, 24), job.state, age(job.put_at), tostring(job.attempts),
      one_line(job.args, 32), one_line(note_of(job), job.state ~= "failed" and 60 or nil) }
  end
  print_table({ "ID", "KIND", "STATE", "PUT", "ATTEMPTS", "ARGS", "NOTE" }, rows)
end

local FIELDS = { "id", "kind", "state", "args", "priority", "attempts", "crashes", "losses", "key",
  "unique", "parent", "put_at", "due_at", "expires_at", "started_at", "ended_at", "progress",
  "cancel", "result", "error" }

local function show_all(jobs)
  local lines = {}
  for i, job in ipairs(jobs) do
    if i > 1 then lines[#lines + 1] = "" end
    for _, name in ipairs(FIELDS) do
      local value = job[name]
      if value ~= nil and name:find "_at$" then
        value = os.date("%Y-%m-%d %H:%M:%S", math.floor(value))
      end
      if value ~= nil then lines[#lines + 1] = ("%-11s %s"):format(name, one_line(value)) end
    end
  end
  stdout.write(table.concat(lines, "\n") .. "\n")
end

local COUNTS = { "waiting", "scheduled", "blocked", "running", "dead", "done", "failed",
  "cancelled", "expired" }

local function show_stats(stats)
  local rows, heading = {}, { "KIND" }
  for _, name in ipairs(COUNTS) do heading[#heading + 1] = name:upper() end
  heading[#heading + 1], heading[#heading + 2] = "OLDEST", ""
  for kind, of in pairs(stats) do
    local row = { one_line(kind, 40) }
    for _, name in ipairs(COUNTS) do row[#row + 1] = ("%d"):format(of[name]) end
    row[#row + 1] = of.oldest and duration(of.oldest) or ""
    row[#row + 1] = of.paused and "paused" or ""
    rows[#rows + 1] = row
  end
  if not rows[1] then return stdout.write "no jobs yet\n" end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  print_table(heading, rows)
end

-- ---- what is done ----

local function complain(text, ...)
  io.stderr:write("luapool queue: ", text:format(...), "\n")
  return 1
end

local function print_jobs(jobs, values, show)
  if not values.json then return show(jobs) end
  for _, job in ipairs(jobs) do stdout.write(json.encode(job) .. "\n") end
end

local function print_count(n, values, text)
  stdout.write(values.json and json.encode { n = n } .. "\n" or text:format(n) .. "\n")
end

local function list(q, values)
  print_jobs(q:list { state = values.state, kind = values.kind, limit = values.limit,
    after = values.after }, values, show_jobs)
  return 0
end

-- Calls `fn` with each id; says which there are none of.
local function each(ids, text, fn)
  local status = 0
  for _, id in ipairs(ids) do
    if not fn(id) then status = complain(text, id) end
  end
  return status
end

local UNKNOWN = "no job %s: it is done and was not to be kept, or never was"
local verbs = {}

verbs.ls = { run = list, takes = { "state", "kind", "limit", "after" } }

verbs.failed = { takes = { "kind", "limit", "after" }, run = function(q, values)
  values.state = "failed"
  return list(q, values)
end }

verbs.show = { needs = "ID", run = function(q, values, ids)
  local jobs = {}
  local status = each(ids, UNKNOWN, function(id)
    jobs[#jobs + 1] = q:status(id)
    return jobs[#jobs] and jobs[#jobs].id == id
  end)
  if jobs[1] then print_jobs(jobs, values, show_all) end
  return status
end }

verbs.stats = { takes = {}, run = function(q, values)
  local stats = q:stats()
  if values.json then stdout.write(json.encode(stats) .. "\n") else show_stats(stats) end
  return 0
end }

verbs.put = {
  needs = "KIND", most = 2, makes = true,
  takes = { "delay", "priority", "key", "unique", "expires", "result_ttl" },
  run = function(q, values, words)
    local ok, args = true, nil
    if words[2] then ok, args = pcall(json.decode, words[2]) end
    if not ok then cli.wrong("the arguments are not JSON: %s", text_of(args)) end
    local id = q:put(words[1], args, { delay = values.delay, priority = values.priority,
      key = values.key, unique = values.unique, expires = values.expires,
      result_ttl = values.result_ttl })
    stdout.write(values.json and json.encode { id = id } .. "\n" or id .. "\n")
    return 0
  end,
}

verbs.retry = { takes = { "kind" }, most = math.huge, run = function(q, values, ids)
  if (values.kind ~= nil) == (ids[1] ~= nil) then
    cli.wrong "retry which jobs? ID..., or --kind KIND"
  end
  local n = values.kind and q:retry { kind = values.kind } or 0
  local status = each(ids, "job %s has not failed, or there is none", function(id)
    local some = q:retry(id)
    n = n + some
    return some > 0
  end)
  print_count(n, values, "%d start again")
  return status
end }

verbs.cancel = { needs = "ID", run = function(q, values, ids)
  local n = 0
  local status = each(ids, "job %s has ended, or there is none", function(id)
    local what = q:cancel(id)
    n = what and n + 1 or n
    return what
  end)
  print_count(n, values, "%d cancelled, or asked to stop")
  return status
end }

for name, text in pairs { pause = "%d kinds paused", resume = "%d kinds go on" } do
  verbs[name] = { needs = "KIND", run = function(q, values, kinds)
    for _, kind in ipairs(kinds) do q[name](q, kind) end
    print_count(#kinds, values, text)
    return 0
  end }
end

verbs.purge = { takes = { "state", "kind", "older" }, run = function(q, values)
  if not (values.state or values.kind or values.older) then
    cli.wrong "purge which jobs? --state, --kind or --older (--older 0: all that have ended)"
  end
  if values.state == "running" then cli.wrong "jobs that run are not purged: cancel them" end
  local n = q:purge { state = values.state, kind = values.kind, older = values.older }
  print_count(n, values, "%d removed")
  return 0
end }

-- ---- the command line ----

-- Options that the verb does not know, and words that are too many or missing.
local function check(name, verb, values, words)
  local known = { json = true }
  for _, option in ipairs(verb.takes or {}) do known[option] = true end
  for option in pairs(values) do
    if not known[option] then
      cli.wrong("option '--%s' is not for '%s'", option:gsub("_", "-"), name)
    end
  end
  if verb.needs and not words[1] then
    cli.wrong("%s what? luapool queue %s URL %s", name, name, verb.needs)
  end
  local most = verb.most or verb.needs and math.huge or 0
  if #words > most then cli.wrong("'%s' is one word too many for '%s'", words[most + 1], name) end
end

-- A queue in a file is not made by looking at it.
local function check_there(url)
  local path = url:match "^[sS][qQ][lL][iI][tT][eE]:(.+)$"
  if not path then return end
  path = path:gsub("^///", "/")
  local file <close> = io.open(path)
  if not file then cli.wrong("there is no queue '%s' (the first put makes it)", path) end
end

local function open(url)
  local ok, q = pcall(require("luapool.queue").open, url)
  if ok then return q end
  if errors.is(q, "cancelled") then error(q, 0) end
  local text = text_of(q):gsub("^queue%.open: ", "")
  if errors.is(q, "queue") and (q.code == "unknown_scheme" or q.code == "address") then
    cli.wrong("%s", text)
  end
  return nil, text
end

function M.run(values, positional, rest)
  local words = table.move(rest, 1, #rest, #positional + 1, positional)
  local name, url = words[1], words[2]
  if not name then cli.wrong "which VERB? luapool queue ls URL; see luapool queue --help" end
  local verb = verbs[name]
  if not verb then cli.wrong("unknown verb '%s'%s", name, options.hint(name, verbs)) end
  if not url then cli.wrong("which queue? luapool queue %s sqlite:PATH", name) end
  words = table.move(words, 3, #words, 1, {})
  check(name, verb, values, words)
  if not verb.makes then check_there(url) end
  local q, why = open(url)
  if not q then return complain("%s", why) end
  local _ <close> = q
  local ok, status = pcall(verb.run, q, values, words)
  if ok then return status end
  if cli.is_wrong(status) or errors.is(status, "cancelled") then error(status, 0) end
  return complain("%s", text_of(status))
end

return M
