-- Scripts that try to get out of a sandbox, or to spoil it for others. Each ends with its error,
-- and the runtime goes on. A row is { what it tries, what its error says, the script, bits = what
-- its environment may do, by names }. tests/unit/test_sandbox.c runs each in an environment of its
-- own, and then looks whether all others see what they saw before.

return {
  -- ---- code ----
  { "bytecode by string.dump", "lacks 'bytecode'", [[string.dump(function() end)]] },
  { "bytecode by a method of strings", "lacks 'bytecode'", [[("").dump(function() end)]] },
  { "bytecode in load", "attempt to load a binary chunk", [[
    assert(load("\27LuaS\0\x19\x93\r\n\x1a\n\4\8\8"))
  ]] },
  { "bytecode in pieces", "attempt to load a binary chunk", [[
    local pieces = { "\27Lua", "T\0" }
    assert(load(function() return table.remove(pieces, 1) end, "=x", "b"))
  ]] },
  { "a chunk with the name of a part of luapool", "module 'luapool.core' is internal", [[
    load("require 'luapool.core'", "=luapool/task.lua")()
  ]] },
  { "a function compiled for other globals", "attempt to index a nil value (global 'debug')", [[
    load("debug.getinfo(1)", "=x", "t", {})()
  ]] },

  -- ---- debug, the registry ----
  { "the registry", "attempt to call a nil value (field 'getregistry')", [[debug.getregistry()]] },
  { "upvalues", "attempt to call a nil value (field 'getupvalue')", [[
    debug.getupvalue(require, 1)
  ]] },
  { "hooks", "attempt to call a nil value (field 'sethook')", [[debug.sethook(print, "l")]] },
  { "metatables of types", "attempt to call a nil value (field 'setmetatable')", [[
    debug.setmetatable(1, {})
  ]] },
  { "the debugger's module", "attempt to call a nil value (field 'getregistry')", [[
    require "debug".getregistry()
  ]] },

  -- ---- what all see: libraries ----
  { "a function of a library", "cannot set 'format'", [[string.format = print]] },
  { "a new function of a library", "cannot set 'sum'", [[function table.sum() end]] },
  { "rawset into a library", "read-only", [[rawset(string, "format", print)]] },
  { "table.insert into a library", "read-only", [[table.insert(table, print)]] },
  { "table.move into a library", "read-only", [[table.move({ 1 }, 1, 1, 1, os)]] },
  { "table.sort of a library", "read-only", [[
    local cut = { __index = function() return 1 end }
    table.sort(coroutine, function() coroutine.wrap = 1 end)
    coroutine[1] = 1
  ]] },
  { "the metatable of a library", "read-only", [[setmetatable(string, {})]] },
  { "json.array of a library", "read-only", [[require("luapool.json").array(string)]] },
  { "the table behind a library, by pairs", "read-only", [[
    local step, behind = pairs(string)
    behind.format = print
  ]] },
  { "the table behind a library, by its metatable", "attempt to index a boolean value", [[
    getmetatable(string).__index.format = print
  ]] },
  { "a part of luapool", "cannot set 'spawn'", [[require("luapool.task").spawn = print]] },
  { "a field of luapool", "cannot set 'task'", [[require("luapool").task = {}]] },
  { "a part of luapool by rawset", "read-only", [[
    rawset(require "luapool.json", "decode", print)
  ]] },
  { "task.locals by rawset", "cannot change a luapool.task.locals", [[
    rawset(require("luapool.task").locals, "user", "root")
  ]] },

  -- ---- metatables ----
  { "the requests of others", "ends requests of others too", [[
    require("luapool.http").close()
  ]] },
  { "the metatable of strings", "cannot set '__index'", [[
    getmetatable("").__index = { upper = print }
  ]] },
  { "a method of all strings", "cannot set 'upper'", [[
    getmetatable("").__index.upper = print
  ]] },
  { "an operator of all strings", "cannot set '__mod'", [[getmetatable("").__mod = print]] },
  { "the class of a task", "attempt to index a nil value", [[
    getmetatable(require("luapool.task").current()).__index.cancel = print
  ]] },
  { "the class of a task by an object", "attempt to index a nil value (field '__index')", [[
    require("luapool.task").current().__index.cancel = print
  ]] },
  { "the class of a queue", "attempt to index a nil value (field '__index')", [[
    require("luapool.sync").queue().__index.get = print
  ]] },
  { "another class for a queue", "cannot change a luapool.sync.queue", [[
    setmetatable(require("luapool.sync").queue(), {})
  ]] },
  { "the class of a node", "attempt to index a nil value (field '__index')", [[
    require("luapool.html").parse("<p>").__index.text = print
  ]] },
  { "the class of errors", "read-only", [[
    require("luapool.error").class.__tostring = print
  ]] },
  { "the class of an error", "attempt to index a string value", [[
    local _, e = pcall(require("luapool.error").raise, "odd", "odd")
    getmetatable(e).__tostring = print
  ]] },
  { "the metatable of json.null", "attempt to index a boolean value", [[
    getmetatable(require("luapool.json").null).__tostring = print
  ]] },

  -- ---- modules ----
  { "a C half of luapool", "module 'luapool.core' is internal", [[
    require("luapool.core").signals()
  ]] },
  { "an inner part of luapool", "module 'luapool.internal.require' is internal", [[
    require "luapool.internal.require"
  ]] },
  { "an inner part of luapool by its searcher", "is internal to luapool", [[
    for _, search in ipairs(package.searchers) do
      local load, extra = search "luapool.internal.require"
      if type(load) == "function" then load("luapool.internal.require", extra) end
    end
  ]] },
  { "the command line's scripts", "module 'cli.main' not found", [[require "cli.main"]] },
  { "a part of luapool that stands in a file", "no part 'luapool.escape' of luapool", [[
    local _, e = pcall(require, "luapool.escape")
    error(tostring(e):find "no file" and "it looked for files, with all rights" or e)
  ]] },
  { "a module of a file", "lacks 'read'", [[
    package.path = "tests/support/?.lua"
    require "escapes"
  ]] },
  { "a C library", "attempt to call a nil value (field 'loadlib')", [[
    package.loadlib("/usr/lib/x86_64-linux-gnu/liblua5.4.so.0", "luaL_openlibs")
  ]] },
  { "a C module", "module 'lfs' not found", [[require "lfs"]] },
  { "a C module by package.cpath", "module 'lfs' not found", [[
    package.cpath = "/usr/lib/x86_64-linux-gnu/lua/5.4/?.so"
    require "lfs"
  ]] },
  { "a forged loader", "attempt to index a nil value (global 'execute')", [[
    package.preload.os = function() return { execute = print } end
    package.loaded.os = nil
    require "os".execute "true"
    execute.none()
  ]] },
  { "what watches package.loaded", "attempt to index a nil value", [[
    getmetatable(package.loaded).__newindex(string, "format", print)
  ]] },

  -- ---- the process ----
  { "ending the process", "lacks 'process'", [[os.exit(0)]] },
  { "the process's variables", "lacks 'process'", [[os.getenv "HOME"]] },
  { "the locale of the process", "lacks 'process'", [[os.setlocale "C"]] },
  { "a program", "lacks 'exec'", [[os.execute "true"]] },
  { "a program with a pipe", "lacks 'exec'", [[io.popen "true"]] },
  { "a program of luapool.process", "lacks 'exec'", [[
    require("luapool.process").exec { "true" }
  ]] },
  { "a pool", "lacks 'pools'", [[require("luapool.pool").new { processes = 1 }]] },
  { "reading a file", "lacks 'read'", [[io.open "/etc/passwd"]] },
  { "reading the lines of a file", "lacks 'read'", [[for _ in io.lines "/etc/passwd" do end]] },
  { "running a file", "lacks 'read'", [[dofile "/etc/passwd"]] },
  { "loading a file", "lacks 'read'", [[loadfile "/etc/passwd"]] },
  { "writing a file", "lacks 'write'", [[io.open("/tmp/luapool-escape", "w")]] },
  { "writing a file that may be read", "lacks 'write'", [[
    io.open("/tmp/luapool-escape", "r+")
  ]], bits = "read" },
  { "removing a file", "lacks 'write'", [[os.remove "/tmp/luapool-escape"]] },
  { "renaming a file", "lacks 'write'", [[os.rename("/tmp/luapool-escape", "/tmp/x")]] },
  { "a temporary file", "lacks 'write'", [[os.tmpname()]] },
  { "another default output", "lacks 'process'", [[io.output "/tmp/luapool-escape"]] },
  { "the standard input", "lacks 'process'", [[io.read "l"]] },
  { "closing the standard output", "lacks 'process'", [[io.close()]] },
  { "the file of the standard output", "lacks 'process'", [[io.stdout:close()]] },
  { "the file that io.write returns", "lacks 'process'", [[io.write(""):close()]] },
  { "a method for the file of the process", "FILE* expected", [[
    io.stdout.write(io.stderr, "x")
  ]] },

  -- ---- the state ----
  { "a finalizer", "no finalizer (__gc) runs in a sandbox", [[
    setmetatable({}, { __gc = function() while true do end end })
  ]] },
  { "stopping the collector", "collectgarbage 'stop' is denied", [[collectgarbage "stop"]] },
  { "the pace of the collector", "collectgarbage 'generational' is denied", [[
    collectgarbage "generational"
  ]] },
  { "a tower of coroutines", "C stack overflow", [[
    local function climb() return coroutine.wrap(climb)() end
    climb()
  ]] },
  { "the coroutine of another task", "attempt to yield from outside a coroutine", [[
    coroutine.yield(coroutine.running())
  ]] },
  { "what is called at the end of a task", "opened: false", [[
    local lock, task = require("luapool.sync").lock(), require "luapool.task"
    local opened
    task.spawn(function()
      lock:acquire()
      lock.waiters = setmetatable({}, { __index = function()
        opened = pcall(io.open, "/etc/passwd")
      end })
    end):await()
    task.sleep(0)
    error("opened: " .. tostring(opened))
  ]] },
  { "a rogue error object", "no luck", [[
    error(setmetatable({}, { __tostring = function()
      return pcall(io.open, "/etc/passwd") and "read" or "no luck"
    end }))
  ]] },
}
