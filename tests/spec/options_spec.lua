-- luapool.options: what is said of wrong options.

local internal = require "tests.support.internal"
local options = internal "luapool.internal.options"

describe("options", function()
  it("finds the name that was meant", function()
    local known = { processes = "count", progress = "string", init = "function" }
    assert.are.equal("processes", options.nearest("procesess", known))
    assert.are.equal("processes", options.nearest("Processes", known))
    assert.are.equal("init", options.nearest("inti", known))
    assert.is_nil(options.nearest("xyz", known))
    assert.are.equal("", options.hint("xyz", known))
  end)

  it("names what is unknown and what is of a wrong type", function()
    local known = {
      n = "count", z = "count0", i = "integer", p = "processes", s = "seconds", b = "size",
      f = "callable",
      t = "table|string", w = { "on", "off" },
    }
    local function said(opts) return options.problem(opts, known) end
    assert.is_nil(said {})
    assert.is_nil(said { n = 4 / 2, z = 0.0 })
    assert.is_nil(said { n = 1, z = 0, i = -3, s = 0.5, b = "64K", f = print, t = {}, w = "on" })
    assert.is_nil(said { f = setmetatable({}, { __call = print }), t = "x", b = 5 })
    local range = "option '%s' must be a whole number from %d to 2147483647, got %s"
    assert.are.equal(range:format("n", 1, "0"), said { n = 0 })
    assert.are.equal(range:format("n", 1, "1.5"), said { n = 1.5 })
    assert.are.equal(range:format("z", 0, "-1"), said { z = -1 })
    assert.are.equal("option 's' must be a number of seconds >= 0, got \"1\"", said { s = "1" })
    assert.are.equal("option 'f' must be a function, got a table", said { f = {} })
    assert.are.equal("option 't' must be a table or a string, got true", said { t = true })
    assert.are.equal("option 'w' must be \"on\" or \"off\", got \"of\"", said { w = "of" })
    assert.are.equal("unknown option 'q'", said { q = 1 })
    assert.are.equal("option 'p' must be a whole number from 1 to 4096, got 4097",
      said { p = 4097 })
    assert.are.equal("unknown option [1]", said { "x" })
  end)

  it("raises at the caller's caller", function()
    local function api(opts)
      opts = options.check("api", opts, { name = "count" })
      return opts
    end
    local ok, message = pcall(function()
      api { nam = 1 }
    end)
    assert.is_false(ok)
    assert.matches("options_spec%.lua:%d+: api: unknown option 'nam' "
      .. "%(did you mean 'name'%?%)$", message)
    assert.are.same({}, api(nil))
  end)

  it("reads sizes", function()
    assert.are.equal(65536, options.size "64K")
    assert.are.equal(3 * 2 ^ 29, options.size "1.5GB")
    assert.are.equal(7, options.size(7))
    assert.is_nil(options.size "64 K")
    assert.is_nil(options.size "K")
    assert.is_nil(options.size(-1))
  end)
end)
