-- luapool.job: where items come from, and what is summed up. Jobs as a whole: tests/cli/jobs.sh.

local internal = require "tests.support.internal"
local source = internal "luapool.internal.job.source"
local spec = internal "luapool.internal.job.spec"
local summary = internal "luapool.internal.job.summary"
local task = require "luapool.task"

local function open(job)
  job.process = job.kinds == nil and print or nil
  local checked = assert(spec.check(job))
  return source.open(checked, {})
end

-- All items that a source gives, each settled at once.
local function drain(s)
  local items = {}
  for entry in function() return s:next() end do
    table.insert(items, entry.item)
    s:settle()
  end
  return items
end

describe("the source of a job", function()
  it("gives the items of a list, an iterator, a `for` loop's three values", function()
    assert.are.same({ 1, 2, 3 }, drain(open { items = { 1, 2, 3 } }))
    assert.are.same({ 1, 2, 3 }, drain(open { items = function() return { 1, 2, 3 } end }))
    assert.are.same({ 1, 2 }, drain(open { items = function() return ipairs { "a", "b" } end }))
    local n = 0
    assert.are.same({ 1, 2, 3 }, drain(open { items = function()
      return function()
        n = n + 1
        task.sleep(0.001)
        return n <= 3 and n or nil
      end
    end }))
  end)

  it("reads an iterator ahead by little", function()
    local pulled = 0
    local s = open { items = function()
      return function()
        pulled = pulled + 1
        return pulled
      end
    end }
    for _ = 1, 1000 do
      s:next()
      s:settle()
    end
    s:close()
    assert.is_true(pulled >= 1000 and pulled < 1100)
  end)

  it("waits for what items in flight may add", function()
    local s = open { items = { "first" } }
    assert.are.equal("first", s:next().item)
    local waiting = task.spawn(function() return s:next().item end)
    task.sleep(0.005)
    assert.are.equal("running", waiting:status())
    s:add("second")
    s:settle()
    assert.are.equal("second", waiting:await())
    s:settle()
    assert.is_nil(s:next())
  end)

  it("gives an item again after a while, others meanwhile", function()
    local s = open { items = { "a", "b" } }
    local a = s:next()
    s:again(a, 0.02)
    assert.are.equal("b", s:next().item)
    s:settle()
    local began = task.now()
    assert.are.equal(a, s:next())
    assert.is_true(task.now() - began > 0.005)
    s:settle()
    assert.is_nil(s:next())
    assert.are.same({ item = 2 }, s.totals)
  end)

  it("drops items seen before, of the same kind", function()
    local kinds = { page = { process = print }, image = { process = print } }
    local s = open { items = { 1, 1, 2 }, kinds = kinds, start = "page", crawl = true }
    assert.is_true(s:add(1, "image"))
    assert.is_false(s:add(1, "image"))
    assert.are.equal(3, #drain(s))
    assert.are.same({ page = 2, image = 1 }, s.totals)
    s = open { items = { { id = 1 }, { id = 1 } }, key = function(item) return item.id end }
    assert.are.equal(1, #drain(s))
    s = open { items = { {} }, crawl = true }
    assert.has_error(function() s:next() end)
  end)

  it("counts what is left when it is stopped", function()
    local s = open { items = { 1, 2, 3, 4 } }
    s:next()
    s:stop()
    assert.is_nil(s:next())
    assert.are.equal(4, s.totals.item)
  end)

  it("names the nearest kind", function()
    local s = open { items = { 1 }, kinds = { page = { process = print } } }
    local ok, message = pcall(s.add, s, 1, "pag")
    assert.is_false(ok)
    assert.matches("unknown kind 'pag' %(did you mean 'page'%?%)$", message)
  end)
end)

describe("the summary of a job", function()
  local function sums(kinds, totals, elapsed, stopped, counts)
    local s = summary.new(kinds)
    for _, of in ipairs(counts) do
      for _ = 1, of[3] do s:count(of[1], of[2]) end
    end
    s:finish(totals, elapsed, stopped)
    return s
  end

  it("begins with the sums", function()
    local s = sums({ item = { counted = true } }, { item = 100 }, 2, nil,
      { { "item", "success", 98 }, { "item", "failure", 2 } })
    assert.are.equal("Done, success: 98/100, failure: 2/100 (2.00 s, 50.0/s)", s:line())
    assert.is_true(s:any_failed())
    assert.are.equal(0, s.cancelled)
  end)

  it("tells what was cancelled, and of kinds that do not count", function()
    local s = sums({ page = {}, image = { counted = true } }, { page = 3, image = 10 }, 75,
      "interrupted", { { "page", "failure", 1 }, { "image", "success", 4 } })
    assert.are.equal("Done, success: 4/10, failure: 0/10, cancelled: 6/10, page failed: 1/3 "
      .. "(interrupted after 1:15 min, 0.1/s)", s:line())
  end)
end)

describe("a delayed write", function()
  it("that is taken back when its time has just come is not made", function()
    local later = internal "luapool.internal.job.later"
    local made = false
    local write = later.new(function()
      made = true
      task.yield()
    end)
    local other = task.spawn(function()
      task.sleep(1)
      write:stop()
    end)
    task.yield()
    write:arm()
    task.yield()
    io.popen("sleep 1.2"):close() -- the loop stands still: both are due at once
    other:await()
    task.yield()
    assert.is_false(made)
    assert.is_nil(write.failed)
    write:arm()
    write:stop()
  end)
end)
