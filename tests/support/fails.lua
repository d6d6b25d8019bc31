-- fails(kind, fn, ...): fn(...) has to raise an error of this kind, which is returned.

local errors = require "luapool.error"

return function(kind, fn, ...)
  local ok, e = pcall(fn, ...)
  assert(not ok, "no error, where kind " .. kind .. " was expected")
  assert(errors.is(e, kind), "not " .. kind .. ": " .. tostring(e))
  return e
end
