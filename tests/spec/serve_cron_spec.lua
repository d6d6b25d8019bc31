-- Cron of `luapool serve`: what a line means, in every time zone; who puts what, and how often.

local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local queue = require "luapool.queue"

local crons = internal "luapool.internal.serve.cron"
local lines = internal "luapool.internal.serve.cron_line"
local zones = internal "luapool.internal.serve.zone"

local function utc(text)
  local y, m, d, h, min = text:match "(%d+)-(%d+)-(%d+) (%d+):(%d+)"
  local days = 0
  for year = 1970, y - 1 do
    days = days + ((year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0) and 366 or 365)
  end
  local lengths = { 31, y % 4 == 0 and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for month = 1, m - 1 do days = days + lengths[month] end
  return math.tointeger((days + d - 1) * 86400 + h * 3600 + min * 60)
end

-- The ticks between two times of UTC, as texts.
local function ticks(line, tz, from, to)
  local zone = assert(zones.open(tz))
  local list = lines.ticks(assert(lines.parse(line)), zone, utc(from), utc(to), 1000)
  table.sort(list)
  for i, minute in ipairs(list) do list[i] = os.date("!%Y-%m-%d %H:%M", minute) end
  return list
end

describe("a line of cron", function()
  it("has numbers, ranges, steps, lists and names", function()
    assert.are.same({ "2026-11-27 10:00", "2026-11-27 10:20", "2026-11-27 10:40" },
      ticks("*/20 10 * * *", nil, "2026-11-27 00:00", "2026-11-28 00:00"))
    assert.are.same({ "2026-11-27 07:05", "2026-11-27 09:05" },
      ticks("5 7-10/2 * nov fri", nil, "2026-11-26 00:00", "2026-11-27 23:59"))
    assert.are.same({ "2026-11-01 00:00", "2026-11-08 00:00" },
      ticks("@weekly", nil, "2026-10-31 23:59", "2026-11-08 23:59"))
  end)

  it("needs only one of day and weekday when both are named", function()
    assert.are.same({ "2026-11-02 00:00", "2026-11-09 00:00", "2026-11-13 00:00" },
      ticks("0 0 13 * 1", nil, "2026-11-01 00:00", "2026-11-13 23:59"))
  end)

  it("has its ticks in years that are a leap year's away", function()
    assert.are.same({ "2028-02-29 12:00" },
      ticks("0 12 29 2 *", nil, "2028-01-01 00:00", "2028-12-31 00:00"))
  end)

  it("is refused where it is none, with what was expected", function()
    for line, text in pairs {
      ["* * * *"] = "has 4 fields", ["60 * * * *"] = "from 0 to 59", ["* * 0 * *"] = "no day",
      ["* * * foo *"] = "no month", ["*/0 * * * *"] = "no minute", ["5-1 * * * *"] = "no minute",
      ["* * * * 8"] = "no weekday", ["1, * * * *"] = "no minute", [""] = "has 0 fields",
    } do
      local parsed, problem = lines.parse(line)
      assert.is_nil(parsed)
      assert.is_truthy(problem:find(text, 1, true), problem)
    end
  end)
end)

describe("a time zone", function()
  it("moves a tick by its offset", function()
    assert.are.same({ "2026-11-27 01:30" },
      ticks("30 2 * * *", "Europe/Berlin", "2026-11-27 00:00", "2026-11-27 23:59"))
    assert.are.same({ "2026-07-01 00:30" },
      ticks("30 2 * * *", "Europe/Berlin", "2026-07-01 00:00", "2026-07-01 23:59"))
    assert.are.same({ "2026-07-01 20:45" },
      ticks("30 2 * * *", "Asia/Kathmandu", "2026-07-01 00:00", "2026-07-01 23:59"))
  end)

  it("lets what falls into a gap fire once, at its end", function()
    assert.are.same({ "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30" },
      ticks("30 2 * * *", "Europe/Berlin", "2026-03-28 00:00", "2026-03-30 23:59"))
    assert.are.same({ "2026-03-29 01:00" },
      ticks("*/10 2 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 23:59"))
  end)

  it("lets what falls into an overlap fire at its first time only", function()
    assert.are.same({ "2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30" },
      ticks("30 2 * * *", "Europe/Berlin", "2026-10-24 00:00", "2026-10-26 23:59"))
  end)

  it("does not touch a line for every hour", function()
    for _, day in ipairs { "2026-10-25", "2026-03-29" } do
      assert.are.equal(24, #ticks("15 * * * *", "Europe/Berlin", day .. " 00:00", day .. " 23:59"))
    end
  end)

  it("goes by its rule behind what its file lists, also in the south", function()
    assert.are.same({ "2090-01-15 15:30" },
      ticks("30 2 16 1 *", "Australia/Sydney", "2090-01-01 00:00", "2090-01-31 00:00"))
    assert.are.same({ "2090-07-15 16:30" },
      ticks("30 2 16 7 *", "Australia/Sydney", "2090-07-01 00:00", "2090-07-31 00:00"))
  end)

  it("that does not exist is told", function()
    for _, name in ipairs { "Mars/One", "../etc/passwd", "" } do
      assert.is_nil(zones.open(name), name)
    end
  end)
end)

describe("cron", function()
  local function entry(more)
    local told = { line = "* * * * *", kind = "report", args = "1", missed = "one", overlap = true }
    for name, value in pairs(more or {}) do told[name] = value end
    return { nightly = told }
  end

  -- Two processes look after some minutes in which none ran; how many jobs there are then.
  local function after_minutes(minutes, more)
    local dir <close> = fs.tempdir()
    local url = "sqlite:" .. dir.path .. "/work.db"
    local one <close> = queue.open(url)
    local two <close> = queue.open(url)
    one.store:cron { { name = "nightly", minute = os.time() // 60 * 60 - minutes * 60 } }
    for _, q in ipairs { one, two, one } do
      local cron = crons.new(q.store)
      cron:use(entry(more))
      cron:tick()
      cron:tick()
    end
    return one:stats().report and one:stats().report.waiting or 0
  end

  it("puts the latest of what was missed, once in all processes", function()
    assert.are.equal(1, after_minutes(30))
  end)

  it("puts all that was missed, or none, where that is wanted", function()
    local n = after_minutes(30, { missed = "all" })
    assert.is_true(n == 30 or n == 31, n)
    n = after_minutes(30, { missed = "none" })
    assert.is_true(n <= 2, n)
  end)

  it("puts none while the one before lives", function()
    assert.are.equal(1, after_minutes(30, { missed = "all", overlap = false }))
  end)

  it("begins with the minute that comes when it is new", function()
    local dir <close> = fs.tempdir()
    local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
    local cron, began = crons.new(q.store), os.time() // 60
    cron:use(entry())
    cron:tick()
    local waiting = q:stats().report and q:stats().report.waiting or 0
    assert.is_true(waiting == 0 or os.time() // 60 > began)
    assert.is_not_nil(q.store:cron_last "nightly")
  end)
end)
