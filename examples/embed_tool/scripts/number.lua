-- Puts its number before each line.
local editor = require "editor"

for i = 1, editor.count() do
  editor.set(i, ("%3d  %s"):format(i, editor.get(i)))
end
