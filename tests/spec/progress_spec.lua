-- luapool.progress: what wrap passes through and when bars end. What they look like is tested on a
-- terminal, in tests/cli/progress.sh.

local internal = require "tests.support.internal"
local progress = require "luapool.progress"
local settings = internal "luapool.internal.settings"
local task = require "luapool.task"
local pool = require "luapool.pool"

local function values(...)
  local list = {}
  for a, b in ... do list[#list + 1] = { a, b } end
  return list
end

describe("progress.wrap", function()
  it("passes on all values of an iterator", function()
    local source = { { 1, "a" }, { 2, nil }, { 3, "c" } }
    local i = 0
    local got = values(progress.wrap(function()
      i = i + 1
      if source[i] then return source[i][1], source[i][2] end
    end))
    assert.are.same(source, got)
  end)

  it("hands the loop's variable to a stateless iterator", function()
    local wrapped = progress.wrap(function(_, n) if (n or 0) < 3 then return (n or 0) + 1 end end)
    assert.are.same({ { 1 }, { 2 }, { 3 } }, values(wrapped))
  end)

  it("goes over a list, and can be the items of a map", function()
    assert.are.same({ { "a" }, { "b" } }, values(progress.wrap { "a", "b" }))
    local p <close> = pool.new { processes = 1 }
    local got = p:map(function(x) return x * 2 end, progress.wrap { 1, 2, 3 }):collect()
    assert.are.same({ 2, 4, 6 }, got)
  end)

  it("goes over a map, and ends it when the loop is left early", function()
    local p <close> = pool.new { processes = 1 }
    for i, double in progress.wrap(p:map(function(x) return x * 2 end, { 1, 2, 3, 4 }),
      { total = 4 }) do
      assert.are.equal(2 * i, double)
      if i == 2 then break end
    end
    assert.are.equal(0, p:stats().running)
  end)

  it("counts one when the next is asked for, and closes at the end", function()
    local wrapped = progress.wrap({ 1, 2, 3 }, { unit = "x" })
    local bar = wrapped.bar
    assert.are.equal(3, bar.total)
    local counts = {}
    for _ in wrapped do counts[#counts + 1] = bar.n end
    assert.are.same({ 0, 1, 2 }, counts)
    assert.are.equal(3, bar.n)
    assert.is_true(bar.closed)
  end)

  it("closes when the loop ends by break or by an error", function()
    local bar
    pcall(function()
      local a, b, c, d = progress.wrap { 1, 2 }
      bar = a.bar
      for _ in a, b, c, d do error "oh" end
    end)
    assert.is_true(bar.closed)
    local ok, e = pcall(function()
      for _ in progress.wrap(function() error("from inside", 0) end) do end -- luacheck: ignore
    end)
    assert.are.same({ false, "from inside" }, { ok, e })
  end)

  it("waits where the iterator waits", function()
    local n = 0
    local list = values(progress.wrap(function()
      task.sleep(0.001)
      n = n + 1
      return n <= 5 and n or nil
    end))
    assert.are.equal(5, #list)
  end)

  it("takes all that pairs and ipairs return, with their total", function()
    local t, seen = { a = 1, b = 2, c = 3 }, {}
    local wrapped = progress.wrap(pairs(t))
    assert.are.equal(3, wrapped.bar.total)
    for k, v in wrapped do seen[k] = v end
    assert.are.same(t, seen)
    assert.are.same({ { 1, "x" }, { 2, "y" } }, values(progress.wrap(ipairs { "x", "y" })))
    local of_list <close> = progress.wrap(ipairs { "x", "y" })
    assert.are.equal(2, of_list.bar.total)
    seen = {}
    for k, v in progress.wrap(task.iter(pairs(t)), { desc = "t" }) do seen[k] = v end
    assert.are.same(t, seen)
    local ok, e = pcall(progress.wrap, next, { desc = "t" })
    assert.is_false(ok)
    assert.matches("task.iter(pairs(t))", tostring(e), 1, true)
  end)

  it("closes what a loop would have closed", function()
    local closed = 0
    local guard = setmetatable({}, { __close = function() closed = closed + 1 end })
    local i = 0
    for x in progress.wrap(function() i = i + 1 return i end, nil, nil, guard) do
      if x == 3 then break end
    end
    assert.are.equal(1, closed)
  end)

  it("has the total of a map over a list", function()
    local p <close> = pool.new { processes = 1 }
    local function same(x) return x end
    local map = p:map(same, { 1, 2, 3 })
    assert.are.equal(3, #map)
    local wrapped = progress.wrap(map)
    assert.are.equal(3, wrapped.bar.total)
    wrapped:close()
    local open = p:map(same, function() end)
    assert.is_nil(#open)
    local of_open <close> = progress.wrap(open)
    assert.is_nil(of_open.bar.total)
    local of_task_map <close> = progress.wrap(task.map({ 1, 2 }, same))
    assert.are.equal(2, of_task_map.bar.total)
  end)

  it("refuses what is no iterator, and unknown options", function()
    assert.has_error(function() progress.wrap(nil) end)
    local ok, e = pcall(progress.wrap, {}, { totl = 3 })
    assert.is_false(ok)
    assert.matches("progress.wrap: unknown option 'totl' (did you mean 'total'?)", tostring(e),
      1, true)
  end)
end)

describe("progress.bar", function()
  it("counts, and closes more than once", function()
    local bar = progress.bar { total = 10, desc = "x" }
    bar:update()
    bar:update(4)
    assert.are.equal(5, bar.n)
    bar:set_total(20)
    bar:set_postfix { loss = 0.123456, step = 3 }
    assert.are.equal("loss=0.1235, step=3", bar.postfix)
    bar:set_postfix "a\nb"
    assert.are.equal("a b", bar.postfix)
    bar:set_postfix(nil)
    bar:close()
    bar:close()
    bar:update()
  end)

  it("leaves no task behind when the last one is closed", function()
    do
      local a <close> = progress.bar {}
      local b <close> = progress.bar {}
      a:update()
      b:update()
    end
    task.sleep(0)
  end)

  it("is silent with --progress off, here and in workers", function()
    settings.progress = "off"
    local bar = progress.bar {}
    local p <close> = pool.new { processes = 1 }
    settings.progress = nil
    assert.are.equal("off", bar.mode)
    assert.are.same({ "off", 2 }, { p:apply(function()
      local b = progress.bar { total = 2 }
      b:update(2)
      b:close()
      return b.mode, b.n
    end) })
  end)
end)

describe("the estimate of a bar", function()
  local line = internal "luapool.internal.progress.line"

  -- A bar that has had an item every `gap` seconds.
  local function bar_of(gap, n, total)
    local bar = {
      n = 0, total = total, desc = "", unit = "it", postfix = "",
      began = 0, looked = 0, seen = 0, average = 0, rate = 0, gap = 0,
    }
    for i = 1, n do
      bar.n = i
      line.look(bar, i * gap)
    end
    return bar
  end

  local function left(bar, now) return line.plain(bar, now):match "<([^,]*)," end

  it("is the rest at the rate of late", function()
    assert.are.equal("00:10", left(bar_of(1, 10, 20), 10))
    assert.are.equal("00:10", left(bar_of(1, 10, 20), 12))
    assert.are.equal("16:40", left(bar_of(100, 10, 20), 1050))
  end)

  it("grows with the time of waiting while items stall, then there is none", function()
    local bar = bar_of(1, 10, 20)
    for _ = 1, 100 do line.look(bar, 18) end
    assert.are.equal("00:16", left(bar, 18))
    bar.stalled = function(now) return ("page 11 waits for http request, %d"):format(now) end
    assert.are.equal("?", left(bar, 25))
    assert.matches("<?, 3.00 s/it, page 11 waits for http request, 25]", line.plain(bar, 25), 1,
      true)
    local slow = bar_of(100, 10, 20)
    slow.stalled = bar.stalled
    assert.are.equal("16:40", left(slow, 1150))
    assert.are.equal("?", left(slow, 1600))
  end)

  it("is cut at whole fields where there is no room", function()
    local bar = bar_of(1, 10, 20)
    bar.desc = "titles"
    bar.outcomes = function() return "9 ok, 1 failed, 2 retried" end
    local shown = {}
    for _, width in ipairs { 99, 71, 60, 40, 25, 19, 14, 12, 5 } do
      shown[#shown + 1] = line.bar(bar, 10, width):gsub("|.*|", "|#|")
    end
    assert.are.same({
      "titles:  50%|#| 10/20 [00:10<00:10, 1.00 it/s, 9 ok, 1 failed, 2 retried]",
      "titles:  50% 10/20 [00:10<00:10, 1.00 it/s, 9 ok, 1 failed, 2 retried]",
      "titles:  50% 10/20 [00:10<00:10, 9 ok, 1 failed, 2 retried]",
      "titles:  50% 10/20 [00:10<00:10]",
      "titles:  50% 10/20",
      "titles:  50% 10/20",
      "titles:  50%",
      "titles:  50%",
      "title",
    }, shown)
  end)

  it("is none where it would be absurd", function()
    assert.are.equal("?", left(bar_of(1, 0, 20), 100))
    assert.are.equal("?", left(bar_of(1, 1, math.maxinteger), 1))
    assert.are.equal("?", left(bar_of(1, 1, math.huge), 1))
  end)
end)
