-- internal.job.report: what a run says on stderr of its failures and of its end: with `-v` each
-- failure as it comes; then why items have failed, where they are listed, what became of the hosts,
-- and the summary, which is the last line. With `-q` nothing of that when all went well. Runs in
-- main only.

local board = require "luapool.internal.progress.board"
local causes = require "luapool.internal.job.causes"
local color = require "luapool.internal.color"
local maps = require "luapool.internal.map"
local screen = require "luapool.term.core"

local M = {}

-- Columns of an item in the bar.
local SHOWN = 40

--- Takes note of an item that has failed for good.
---@param job luapool.job
---@param item any
---@param e any
---@param place string|nil where the error came from
function M.failed(job, item, e, place)
  job.causes:add(item, e, place)
  if not job.options.verbose then return end
  local line = "luapool: failed: " .. causes.line(item, e, place)
  screen.print(color.paint(line, "red") .. "\n")
end

--- A line about the run that is no error.
---@param job luapool.job
---@param text string as of string.format
---@param ... any
function M.note(job, text, ...)
  if not job.options.quiet then screen.print(("luapool: " .. text .. "\n"):format(...)) end
end

--- What a job waits for in which nothing has ended for a while: its oldest item, and what that
--- waits for, as its worker has posted it.
---@param job luapool.job
---@param now number
---@return string
function M.stalled(job, now)
  local entry = job.map and maps.oldest(job.map)
  if not entry then return "" end
  local state = board.oldest_wait(now)
  return causes.item(entry.item, SHOWN) .. " " .. (state or "is under way")
end

local function color_of(summary)
  if summary:any_failed() then return "red" end
  return summary.stopped and "yellow" or "green"
end

--- Prints the last line.
---@param job luapool.job
function M.summary(job)
  local summary = job.summary
  io.stderr:write(color.paint(summary:line(), color_of(summary)), "\n")
end

--- Says how the job has ended.
---@param job luapool.job
function M.ended(job)
  local summary = job.summary
  if job.options.quiet and not summary:any_failed() and not job.stopped then return end
  for _, line in ipairs(job.causes:lines()) do io.stderr:write(color.paint(line, "red"), "\n") end
  local where = job.failed:where()
  if where then io.stderr:write("luapool: ", where, "\n") end
  if job.spec.rules then io.stderr:write(job.hosts:text()) end
  M.summary(job)
end

return M
