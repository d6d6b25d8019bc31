-- luapool.fs: every function, its errors, cancelling, and that it suspends only its own task.

local lfs = require "lfs"
local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local errors = require "luapool.error"
local task = require "luapool.task"
local pool = require "luapool.pool"
local threads = require "tests.support.threads"

describe("luapool.fs", function()
  local dir

  before_each(function() dir = fs.tempdir() end)
  after_each(function() dir:close() end)

  -- Runs fn, which has to fail with kind fs; returns the error.
  local function fails(fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "fs"), tostring(e))
    return e
  end

  -- Waits until the threads of cancelled calls have let go of the file.
  local function let_go(path)
    local function held()
      for _, fd in ipairs(fs.list "/proc/self/fd") do
        if lfs.symlinkattributes("/proc/self/fd/" .. fd, "target") == path then return true end
      end
    end
    while held() do task.sleep(0.01) end
  end

  it("writes and reads any bytes", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local text = table.concat(bytes):rep(5000)
    fs.write(dir .. "/a", text)
    assert.is_true(fs.read(dir .. "/a") == text)
    fs.write(dir .. "/a", "")
    assert.are.equal("", fs.read(dir .. "/a"))
  end)

  it("writes anew and appends", function()
    fs.append(dir .. "/a", "one")
    fs.append(dir .. "/a", "two")
    assert.are.equal("onetwo", fs.read(dir .. "/a"))
    fs.write(dir .. "/a", 12)
    assert.are.equal("12", fs.read(dir .. "/a"))
  end)

  it("reads files that do not tell their size", function()
    assert.is_truthy(fs.read("/proc/self/status"):find("VmRSS", 1, true))
  end)

  it("reads lines bit by bit", function()
    local function lines(text)
      fs.write(dir .. "/a", text)
      local list = {}
      for line in fs.lines(dir .. "/a") do list[#list + 1] = line end
      return list
    end
    assert.are.same({}, lines "")
    assert.are.same({ "" }, lines "\n")
    assert.are.same({ "a", "", "b\r", "\0c" }, lines "a\n\nb\r\n\0c")
    local long = {} -- around the size of a part
    for i = -3, 3 do long[i + 4] = ("x"):rep((256 << 10) + i) end
    table.insert(long, ("y"):rep(1000000))
    table.insert(long, "end")
    assert.are.same(long, lines(table.concat(long, "\n") .. "\n"))
    local next_line = fs.lines(dir .. "/a")
    assert.are.equal(#long[1], #next_line())
    fs.write(dir .. "/b", "another")
    fs.rename(dir .. "/b", dir .. "/a") -- the old file is read on
    assert.are.equal(#long[2], #next_line())
    for _ in next_line do end -- luacheck: ignore
    assert.is_nil(next_line())
    -- The file must be closed, or the spec fails.
    for line in fs.lines(dir .. "/a") do -- luacheck: ignore
      assert.are.equal("another", line)
      break
    end
    assert.are.equal("EISDIR", fails(fs.lines(dir)).code)
    assert.are.equal("ENOENT", fails(fs.lines, dir .. "/none").code)
  end)

  it("lists sorted names", function()
    for _, name in ipairs { "b", "a", "C", ".hidden", "ä" } do fs.write(dir .. "/" .. name, "") end
    assert.are.same({ ".hidden", "C", "a", "b", "ä" }, fs.list(dir.path))
    fs.mkdir(dir .. "/empty")
    assert.are.same({}, fs.list(dir .. "/empty"))
  end)

  it("tells about files", function()
    fs.write(dir .. "/a", "12345")
    local s = fs.stat(dir .. "/a")
    assert.are.equal(5, s.size)
    assert.are.equal("integer", math.type(s.size))
    assert.are.equal("file", s.type)
    assert.are.equal("directory", fs.stat(dir).type)
    assert.are.equal(tonumber("700", 8), fs.stat(dir).mode)
    assert.is_true(math.abs(s.mtime - os.time()) < 600)
    assert.are.equal("char device", fs.stat("/dev/null").type)
  end)

  it("makes folders", function()
    fs.mkdir(dir .. "/a")
    assert.are.equal("EEXIST", fails(fs.mkdir, dir .. "/a").code)
    assert.are.equal("ENOENT", fails(fs.mkdir, dir .. "/x/y").code)
    fs.mkdir(dir .. "/x//y/z/", { parents = true })
    fs.mkdir(dir .. "/x/y/z", { parents = true })
    assert.are.equal("directory", fs.stat(dir .. "/x/y/z").type)
    fs.write(dir .. "/file", "")
    assert.are.equal("ENOTDIR", fails(fs.mkdir, dir .. "/file/y", { parents = true }).code)
    assert.are.equal("EEXIST", fails(fs.mkdir, dir .. "/file", { parents = true }).code)
    assert.are.equal("ENOENT", fails(fs.mkdir, "", { parents = true }).code)
  end)

  it("removes files, folders and trees", function()
    fs.mkdir(dir .. "/a/b/c", { parents = true })
    fs.write(dir .. "/a/b/file", "x")
    fs.write(dir .. "/kept", "x")
    assert.is_true(os.execute(("ln -s ../../kept '%s/a/b/link'"):format(dir)))
    assert.are.equal("ENOTEMPTY", fails(fs.remove, dir .. "/a").code)
    fs.remove(dir .. "/a/b/c")
    fs.remove(dir .. "/a", { recursive = true })
    assert.are.same({ "kept" }, fs.list(dir))
    fs.remove(dir .. "/kept", { recursive = true })
    assert.are.equal("ENOENT", fails(fs.remove, dir .. "/kept").code)
    assert.are.equal("ENOENT", fails(fs.remove, dir .. "/kept", { recursive = true }).code)
  end)

  it("renames over what was there", function()
    fs.write(dir .. "/a", "new")
    fs.write(dir .. "/b", "old")
    fs.rename(dir .. "/a", dir .. "/b")
    assert.are.same({ "b" }, fs.list(dir))
    assert.are.equal("new", fs.read(dir .. "/b"))
    local e = fails(fs.rename, dir .. "/a", dir .. "/c")
    local text = "cannot rename '" .. dir .. "/a' to '" .. dir .. "/c'"
    assert.is_truthy(tostring(e):find(text, 1, true))
  end)

  it("raises kind fs with path, code and what was attempted", function()
    local e = fails(fs.read, "/no/such")
    assert.are.equal("ENOENT", e.code)
    assert.are.equal("/no/such", e.path)
    assert.is_truthy(e.message:find("fs_spec.lua:%d+: cannot read '/no/such': No such file") or
      e.message:find("^cannot read '/no/such': No such file"), e.message)
    assert.are.equal("EISDIR", fails(fs.read, dir.path).code)
    assert.are.equal("ENOTDIR", fails(fs.list, "/dev/null").code)
    assert.are.equal("ENOSPC", fails(fs.write, "/dev/full", "x").code)
  end)

  it("refuses wrong arguments", function()
    assert.has_error(function() fs.read() end)
    assert.has_error(function() fs.read("a\0b") end)
    assert.has_error(function() fs.write(dir .. "/a", {}) end)
    local ok, e = pcall(fs.mkdir, dir .. "/a", { parent = true })
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find("unknown option 'parent' (did you mean 'parents'?)", 1, true))
  end)

  it("makes temporary folders that close", function()
    local path
    do
      local own <close> = fs.tempdir()
      path = own.path
      fs.write(own .. "/x", "x")
      assert.are.equal(path, tostring(own))
    end
    assert.are.equal("ENOENT", fails(fs.stat, path).code)
  end)

  it("leaves no temporary folder of a task that is cancelled", function()
    local core, tasks = internal "luapool.fs.core", {}
    for i = 1, 20 do tasks[i] = task.spawn(core.tempdir, dir .. "/XXXXXX") end
    task.yield() -- threads have begun some
    for _, one in ipairs(tasks) do one:cancel() end
    task.wait(tasks)
    for _, one in ipairs(tasks) do
      local ok, path = one:result()
      if ok then lfs.rmdir(path) end -- it was there before the cancel
    end
    while #fs.list(dir) > 0 do task.sleep(0.001) end
  end)

  it("suspends only its own task, and wakes a cancelled one at once", function()
    assert.is_true(os.execute(("mkfifo '%s/pipe'"):format(dir)))
    local reader = task.spawn(fs.read, dir .. "/pipe") -- its thread waits until somebody writes
    task.sleep(0.01)
    assert.are.equal("running", reader:status())
    reader:cancel()
    local ok, e = reader:result()
    assert.is_false(ok)
    assert.is_true(errors.is(e, "cancelled"))
    let_go(dir .. "/pipe")
  end)

  it("waits for the other end of a pipe", function()
    assert.is_true(os.execute(("mkfifo '%s/pipe'"):format(dir)))
    local text = ("x"):rep(1 << 20)
    local writer = task.spawn(fs.write, dir .. "/pipe", text)
    task.sleep(0.01)
    assert.is_true(fs.read(dir .. "/pipe") == text)
    writer:await()
    writer = task.spawn(fs.write, dir .. "/pipe", "nobody reads")
    task.sleep(0.01)
    writer:cancel()
    writer:result()
    assert.are.equal("cancelled", writer:status())
  end)

  it("makes no file of a pipe that is gone by the time somebody could read it", function()
    local pipe = dir .. "/pipe"
    local function made_one(cancelled, pause)
      assert.is_true(os.execute(("mkfifo '%s'"):format(pipe)))
      local writer = task.spawn(fs.write, pipe, "x")
      task.sleep(pause) -- a thread that has not begun by then makes a file, as it should
      if cancelled then writer:cancel() end
      os.remove(pipe)
      local ok, e = writer:result()
      if not cancelled and not ok then assert.are.equal("ENOENT", e.code) end
      task.sleep(0.12) -- by now its thread has looked again
      return os.remove(pipe)
    end
    for _, cancelled in ipairs { true, false } do
      local pause = 0.01
      while made_one(cancelled, pause) do
        assert.is_true(pause < 5)
        pause = pause * 4
      end
    end
  end)

  it("holds up nobody by pipes without another end", function()
    local waiting = {}
    for i = 1, 10 do
      local pipe = ("%s/pipe%d"):format(dir, i)
      assert.is_true(os.execute(("mkfifo '%s'"):format(pipe)))
      waiting[i] = i % 2 == 0 and task.spawn(fs.read, pipe) or task.spawn(fs.write, pipe, "x")
    end
    task.sleep(0.01)
    fs.write(dir .. "/a", "works")
    assert.are.equal("works", task.timeout(10, fs.read, dir .. "/a"))
    for i = 1, 10 do
      assert.are.equal("running", waiting[i]:status())
      local pipe = ("%s/pipe%d"):format(dir, i)
      if i % 2 == 0 then fs.write(pipe, "for " .. i) else assert.are.equal("x", fs.read(pipe)) end
      assert.are.equal(i % 2 == 0 and "for " .. i or nil, (waiting[i]:await(10)))
    end
  end)

  it("cancels those that no thread has begun", function()
    local held <close> = threads.hold()
    local writers = {}
    for i = 1, 12 do writers[i] = task.spawn(fs.write, dir .. "/a", "never") end
    task.sleep(0.01)
    for _, writer in ipairs(writers) do writer:cancel() end
    for _, writer in ipairs(writers) do
      assert.is_true(errors.is(select(2, writer:result()), "cancelled"))
    end
    held:close()
    assert.are.same({}, fs.list(dir))
    fs.write(dir .. "/a", "works")
    assert.are.equal("works", fs.read(dir .. "/a"))
  end)

  it("works in a worker", function()
    local p <close> = pool.new { processes = 1 }
    local path = dir .. "/a"
    p:apply(function() fs.write(path, "from a worker") end)
    assert.are.equal("from a worker", fs.read(path))
    local ok, e = pcall(p.apply, p, function() return fs.read("/no/such") end)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "fs"))
    assert.are.equal("ENOENT", e.code)
  end)

  it("say what they were given in place of a path", function()
    for wrong, got in pairs { [true] = "true", [{}] = "a table", [print] = "a function" } do
      local ok, e = pcall(function() fs.read(wrong) end)
      assert.is_false(ok)
      assert.matches("bad argument #1 to 'fs.read' %(a string expected, got " .. got .. "%)", e)
    end
  end)
end)
