-- What luapool puts in the place of standard functions looks like those: it is in C, and its errors
-- are theirs.
local replaced = {
  "error", "pcall", "xpcall", "print", "io.write", "debug.sethook", "debug.gethook", "os.execute",
  "coroutine.create", "coroutine.resume", "coroutine.wrap", "coroutine.yield", "coroutine.close",
}
for _, name in ipairs(replaced) do
  local f = load("return " .. name)()
  local info = debug.getinfo(f, "Su")
  print(name, info.what, info.nups, pcall(string.dump, f))
end

local odd = setmetatable({}, { __tostring = function() return 1 end })
local function message(f, ...) print(select(2, pcall(f, ...))) end
message(function() io.write {} end)
message(function() (io.write or print) {} end)
message(io.write, "a", "b", {})
message(print, odd)
message(debug.sethook, 1)
message(debug.sethook, print)
message(debug.sethook, print, "l", "x")
message(function() debug.sethook(1, "l") end)
message(debug.sethook, coroutine.create(print), {})
message(coroutine.resume, 1)
message(xpcall, print)
message(function() coroutine.wrap(1) end)

print(io.write("a", 1, 2.5, "\n") == io.stdout, select("#", print()))
print(debug.gethook(1))
