-- cli.manual: the help of the program and of its commands, as text. A command's module says
--     usage, summary     "run FILE [options]", "run a job file or a script"
--     about              more about it: paragraphs
--     verbs              { { "ls", "URL", "the jobs" }, ... } for a command that has verbs
--     options            as cli.options takes them
--     status, examples   { { 0, "all went well" }, ... }, { { "luapool run a.lua", "…" }, ... }
--     completes          what its first argument is to a shell: "file", "page" or "topic"
-- docs/generator makes the reference, the man pages and the completions out of the same fields.

local cli = require "cli.options"
local topics = require "cli.topics"
local wrap = require "cli.wrap"

local M = {}

local COLUMNS = 96

-- Two columns under a title.
local function section(out, title, rows)
  if #rows == 0 then return end
  local width = 0
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  out[#out + 1] = ("\n%s:\n"):format(title)
  for _, row in ipairs(rows) do
    local left = "  " .. row[1] .. (" "):rep(width - #row[1] + 2)
    out[#out + 1] = wrap(row[2], COLUMNS, (" "):rep(#left), left) .. "\n"
  end
end

local function option_rows(options)
  local rows = {}
  for i, row in ipairs(options) do
    rows[i] = { (row[1] and "" or "    ") .. cli.name(row), cli.text(row) }
  end
  return rows
end

local function verb_rows(verbs)
  local rows = {}
  for i, verb in ipairs(verbs) do
    rows[i] = { verb[1] .. (verb[2] and " " .. verb[2] or ""), verb[3] }
  end
  return rows
end

local function status_rows(status)
  local rows = {}
  for i, row in ipairs(status) do rows[i] = { ("%d"):format(row[1]), row[2] } end
  return rows
end

--- The help of a command.
---@param command table its module
---@return string
function M.command(command)
  local out = { "Usage: luapool ", command.usage, "\n\n",
    command.about or command.summary:gsub("^%l", string.upper) .. ".", "\n" }
  section(out, "Verbs", verb_rows(command.verbs or {}))
  section(out, "Options", option_rows(command.options))
  section(out, "Exit status", status_rows(command.status or {}))
  section(out, "Examples", command.examples or {})
  return table.concat(out)
end

--- The help of the program.
---@param commands table[] their modules
---@param options table[] those before any command
---@return string
function M.program(commands, options)
  local out, rows, names = { "Usage: luapool COMMAND [options] [arguments]\n" }, {}, {}
  for i, command in ipairs(commands) do
    rows[i] = { command.usage:match "^[^%[]*":gsub(" $", ""), command.summary }
  end
  section(out, "Commands", rows)
  section(out, "Options", option_rows(options))
  for i, topic in ipairs(topics) do names[i] = { topic.name, topic.summary } end
  section(out, "Topics", names)
  section(out, "Examples", {
    { "luapool new titles", "write a job to start from" },
    { "luapool run titles.lua -p 6", "run it over six processes" },
    { "luapool help run", "more of a command, a topic, a function" },
  })
  return table.concat(out)
end

return M
