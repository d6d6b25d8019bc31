-- cli.help: luapool help [TOPIC]: of a command what its --help shows; else a page of the reference.

local cli = require "cli.options"
local main = require "cli.main"

local M = {
  usage = "help [TOPIC]",
  summary = "show the help of a command or a topic",
  about = "Shows what a command's --help does, or the page of a topic (signals), a module\n"
    .. "(pool), a function (pool.map) or whatever else luapool doc has. Without TOPIC it lists\n"
    .. "the commands and topics.",
  completes = "topic",
  options = { cli.help },
  status = { { 0, "shown" }, { 2, "nothing has this name" } },
  examples = {
    { "luapool help run", "a command" },
    { "luapool help signals", "a topic" },
  },
}

function M.run(values, positional)
  local name = positional[1]
  if name and (positional[2] or not main.is_command(name)) then
    return require("cli.doc").run(values, positional)
  end
  io.stdout:write(main.help(name))
  return 0
end

return M
