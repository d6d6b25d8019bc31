-- cli.main: the command line.

local M = {}

function M.main(argv)
  local path = argv[2]
  arg = { [0] = path, table.unpack(argv, 4) }
  package.path = (path:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
  local chunk = assert(loadfile(path))
  chunk(table.unpack(argv, 4))
  return 0
end

return M
