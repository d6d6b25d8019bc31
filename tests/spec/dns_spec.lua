-- luapool.dns: look-ups that need no network. Others are in tests/support/names.

local dns = require "luapool.dns"
local errors = require "luapool.error"

describe("luapool.dns", function()
  it("finds the addresses of a name", function()
    local list = dns.lookup "localhost"
    assert.is_true(#list >= 1)
    for _, address in ipairs(list) do
      assert.is_true(address == "127.0.0.1" or address == "::1", address)
    end
  end)

  it("gives an address back", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "127.0.0.1")
    assert.are.same({ "::1" }, dns.lookup "::1")
  end)

  it("raises kind dns", function()
    local ok, e = pcall(dns.lookup, "no such name")
    assert.is_false(ok)
    assert.is_true(errors.is(e, "dns"))
    assert.are.equal("no such name", e.name)
    assert.are.equal("EAI_NONAME", e.code)
    assert.is_truthy(tostring(e):find("cannot look up 'no such name'", 1, true))
  end)

  it("refuses wrong arguments", function()
    assert.has_error(function() dns.lookup() end)
    assert.has_error(function() dns.lookup("a\0b") end)
    assert.is_false((pcall(dns.lookup, ("x"):rep(5000))))
  end)
end)
