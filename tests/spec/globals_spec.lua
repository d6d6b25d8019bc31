-- cli.globals: where a source uses global names.

local globals = require "cli.globals"

-- "name line name line ..." of the uses in a source that compiles.
local function uses(source)
  assert(load(source))
  local found = {}
  for _, use in ipairs((globals.find(source))) do
    table.insert(found, use.name .. (use.write and "=" or "") .. " " .. use.line)
  end
  return table.concat(found, ", ")
end

describe("globals", function()
  it("knows locals, parameters and loop variables", function()
    assert.are.equal("", uses "local a <const>, b <close> = 1 return a, b")
    assert.are.equal("", uses "local function f(a, b, ...) return f(a, b, ...) end")
    assert.are.equal("x 1", uses "for i = 1, 3 do local _ = i + x end")
    assert.are.equal("t 1", uses "for k, v in t do local _ = k, v end")
    assert.are.equal("", uses "repeat local done = true until done")
    assert.are.equal("a 1", uses "local a = a")
    assert.are.equal("a 2", uses "do local a = 1 end\nreturn a")
  end)

  it("knows fields, methods, keys and labels", function()
    assert.are.equal("a 1", uses "return a.b.c")
    assert.are.equal("a 1, i 1", uses "return a[i]")
    assert.are.equal("", uses "local o = {} o:method { name = 1, ['x'] = 2, 3 }")
    assert.are.equal("v 1", uses "return { name = v }")
    assert.are.equal("", uses "goto done ::done::")
    assert.are.equal("o 1", uses "function o.a.b:c() return self end")
  end)

  it("tells writes from reads", function()
    assert.are.equal("b 1, a= 1", uses "a = b")
    assert.are.equal("f= 1", uses "function f() end")
    assert.are.equal("t 1, x 1, y= 1", uses "t.a, y = x")
  end)

  it("reads all that Lua allows", function()
    assert.are.equal("", uses "return 0x1p-4, 3., .5, 1e-3, 0xA.8, 'it\\'s', [==[ a ]] b ]==]")
    assert.are.equal("x 3", uses "--[[ y\n]] -- z\nreturn x")
    assert.are.equal("x 1, y 1", uses "return -x // #y .. 'a' ~= not nil")
    assert.are.equal("f 1", uses "return f'x'{ 1 }(2).a")
    assert.are.equal("p 1, q 1, r 1", uses "if p then elseif q then else return r end")
    assert.are.equal("f 1, g 1", uses "(f or g)()")
  end)

  it("tells the functions around a use, and whether the chunk returns something", function()
    local source = "local function f()\n  return function() return x end\nend\nreturn f"
    local found, returns = globals.find(source)
    assert.are.same({ 1, 2 }, found[1].within)
    assert.is_true(returns)
    assert.is_false(select(2, globals.find "print(1) return"))
    assert.is_false(select(2, globals.find "local function f() return 1 end"))
  end)
end)
