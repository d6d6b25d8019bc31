-- cli.help: luapool help [COMMAND].

local M = {
  usage = "help [COMMAND]",
  summary = "show the help of a command",
  options = {},
}

function M.run(_, positional)
  io.stdout:write(require("cli.main").help(positional[1]))
  return 0
end

return M
