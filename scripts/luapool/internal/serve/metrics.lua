-- internal.serve.metrics: figures of a run of `luapool serve` over HTTP, in the text format of
-- Prometheus, for whoever asks on the address of `--metrics`.

local errors = require "luapool.error.core"
local listeners = require "luapool.internal.serve.listener"
local log = require "luapool.log"
local task = require "luapool.task"

local M = {}

-- Seconds that a client has for its request and the answer.
local PATIENCE = 10

local STATES = { "waiting", "scheduled", "blocked", "running", "failed" }

local function add(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

local function sorted(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- The text for a consumer and a crew; nil for both where a file has no kinds.
---@param consumer luapool.serve.Consumer|nil
---@param crew luapool.serve.Crew|nil
---@return string
function M.text(consumer, crew)
  local lines = {}
  add(lines, "luapool_workers", "gauge", "Workers that take jobs.")
  local n = 0
  for _ in pairs(crew and crew.places or {}) do n = n + 1 end
  lines[#lines + 1] = "luapool_workers " .. n
  if not consumer then return table.concat(lines, "\n") .. "\n" end
  add(lines, "luapool_jobs_running", "gauge", "Jobs that run in this process.")
  lines[#lines + 1] = "luapool_jobs_running " .. consumer.count
  add(lines, "luapool_jobs_total", "counter", "What has become of the jobs of this process.")
  for _, outcome in ipairs(sorted(consumer.totals)) do
    lines[#lines + 1] = ("luapool_jobs_total{outcome=%q} %d"):format(outcome,
      consumer.totals[outcome])
  end
  local stats = consumer.store:stats()
  add(lines, "luapool_queue_jobs", "gauge", "Jobs of the queue by kind and state.")
  for _, kind in ipairs(sorted(stats)) do
    for _, state in ipairs(STATES) do
      lines[#lines + 1] = ("luapool_queue_jobs{kind=%q,state=%q} %d"):format(kind, state,
        stats[kind][state] or 0)
    end
  end
  add(lines, "luapool_queue_oldest_seconds", "gauge", "For how long the oldest job has waited.")
  for _, kind in ipairs(sorted(stats)) do
    lines[#lines + 1] = ("luapool_queue_oldest_seconds{kind=%q} %.3f"):format(kind,
      stats[kind].oldest or 0)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function answer(client, text)
  client:settimeout(PATIENCE, "t")
  repeat
    local line = client:receive "*l"
  until not line or line == ""
  local ok, body = pcall(text)
  if not ok then log.warn("metrics: %s", errors.text(body)) end
  client:send(("HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
    .. "Content-Length: %d\r\nConnection: close\r\n\r\n%s"):format(ok and "200 OK"
    or "503 Service Unavailable", ok and #body or 0, ok and body or ""))
  client:close()
end

--- Answers with what `text()` returns, until it is cancelled. Raises when it cannot listen.
---@param address string
---@param text fun(): string
---@return luapool.Task
function M.serve(address, text)
  local server = listeners.listen(address)
  local serving = task.spawn(function()
    local _ <close> = server
    while true do
      local client = server:accept()
      if client then task.spawn(answer, client, text):name "metrics" else task.sleep(1) end
    end
  end)
  serving:name "metrics"
  return serving
end

return M
