-- refused(what, said, fn, ...): fn(...) has to raise an error whose kind or code is `what`, in one
-- line that has the text `said`. The error is returned.

local errors = require "luapool.error"

return function(what, said, fn, ...)
  local ok, e = pcall(fn, ...)
  assert(not ok, "no error, where " .. what .. " was expected")
  local text = tostring(e)
  assert(errors.is(e, what) or e.code == what, "not " .. what .. ": " .. text)
  assert(text:find(said, 1, true), ("no '%s' in: %s"):format(said, text))
  assert(not text:find "\n", "more than a line: " .. text)
  return e
end
