-- luapool.yaml: settings as people write them, what is said of broken ones, and dump's inverse
-- of load.

local yaml = require "luapool.yaml"
local json = require "luapool.json"
local errors = require "luapool.error"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, "yaml"), tostring(e))
  assert.is_nil(tostring(e):find "[%c]")
  return e
end

local function malformed(text, line, column, what)
  local e = raised(yaml.load, text)
  assert.matches(what, tostring(e), 1, true)
  assert.matches(("line %d, column %d"):format(line, column), tostring(e), 1, true)
  assert.are.same({ line, column }, { e.line, e.column })
end

describe("yaml.load", function()
  it("reads settings", function()
    local v = yaml.load [[
# the gallery
URL: http://example.org/page/%d
AMOUNT_PAGES: 12
RATE: 2.5
DRY: no
TITLE: "Größe: \u2603"
PATHS: [a, 'b c', ~]
NESTED:
  text: |
    one
    two
  empty:
]]
    assert.are.equal("http://example.org/page/%d", v.URL)
    assert.are.equal("integer", math.type(v.AMOUNT_PAGES))
    assert.are.equal(2.5, v.RATE)
    assert.is_false(v.DRY)
    assert.are.equal("Größe: ☃", v.TITLE)
    assert.are.same({ "a", "b c", json.null }, v.PATHS)
    assert.are.equal("one\ntwo\n", v.NESTED.text)
    assert.are.equal(json.null, v.NESTED.empty)
  end)

  it("keeps integers of 64 bits, anchors and tags", function()
    local v = yaml.load "a: 9223372036854775807\nb: &B [1]\nc: *B\nd: !!str 12\ne: !!null ''\n"
    assert.are.equal(math.maxinteger, v.a)
    assert.are.equal(v.b, v.c)
    assert.are.equal("12", v.d)
    assert.are.equal(json.null, v.e)
  end)

  it("reads as integers what YAML 1.1 calls so, and keeps the text of what is too wide", function()
    local function read(word) return yaml.load("v: " .. word).v end
    local words = { ["0b101"] = 5, ["-0x10"] = -16, ["010"] = 8, ["1_000"] = 1000, ["+12"] = 12 }
    for word, value in pairs(words) do
      assert.are.equal(value, read(word))
      assert.are.equal("integer", math.type(read(word)))
    end
    for _, word in ipairs { "08", "09", "_1", "0x", "0b", "0xFFFFFFFFFFFFFFFF",
      "0xdAC17F958D2ee523a2206206994597C13D831ec7", ("01234567"):rep(5) } do
      assert.are.equal(word, read(word))
      assert.are.equal(word, yaml.load(yaml.dump(word)))
    end
    assert.are.equal("float", math.type(read "9223372036854775808"))
  end)

  it("keeps zero bytes, which only escapes can name", function()
    local function reads(text, value) assert.are.same(value, yaml.load(text)) end
    reads('"a\\0b"', "a\0b")
    reads('"\\0"', "\0")
    reads('"\\x00\\u0000\\U00000000\\012"', "\0\0\0\00012")
    reads('"\\\\0\\\\\\0"', "\\0\\\0")
    reads("C:\\0", "C:\\0")
    reads("'\\0'", "\\0")
    reads('\u{FEFF}é: &a "é\\0"\n"k\\0": [*a, "x\r\n  \\0y", \u{E000}, "\\uE001\\x41"]\n',
      { ["é"] = "é\0", ["k\0"] = { "é\0", "x \0y", "\u{E000}", "\u{E001}A" } })
    assert.are.same({ "\0", { a = "\0" } },
      yaml.load('--- "\\0"\n--- {a: "\\0"}', { all = true }))
    for _, value in ipairs { "a\0b", "\0", "\0" .. ("0"):rep(200), "é \0\n\0", "\\0\0",
      "\u{E000}\0" } do
      reads(yaml.dump(value), value)
      reads(yaml.dump { [value] = { value } }, { [value] = { value } })
    end
    malformed('a: "\\0"\nb: [', 3, 1, "did not find expected node content")
  end)

  it("merges for the plain key '<<' alone", function()
    assert.are.same({ a = 1, b = 2 }, yaml.load("<<: {a: 1}\nb: 2"))
    assert.are.same({ ["<<"] = "v" }, yaml.load "'<<': v")
    assert.are.same({ ["<<"] = { a = 1 } }, yaml.load '{&k "<<": {a: 1}}')
    for _, value in ipairs { { ["<<"] = "v" }, { ["<<"] = { a = 1 }, b = "<<" }, { "<<" } } do
      assert.are.same(value, yaml.load(yaml.dump(value)))
    end
  end)

  it("gives nil for an empty text and one value for each document", function()
    assert.is_nil(yaml.load "")
    assert.is_nil(yaml.load "# nothing\n")
    assert.are.equal(1, yaml.load "--- 1\n--- 2\n")
    assert.are.same({ 1, { a = 2 } }, yaml.load("--- 1\n--- {a: 2}\n", { all = true }))
  end)

  it("says where a text is malformed", function()
    malformed("a: [1, 2\nb: 3", 2, 2, "did not find expected ',' or ']'")
    malformed("ok: 1\na: b: c", 2, 5, "mapping values are not allowed")
    malformed("a: 'x", 1, 6, "unexpected end of stream")
    malformed("\ta: 1", 1, 1, "cannot start any token")
    malformed("a: *nowhere", 1, 4, "invalid reference")
    malformed("a:\n  b: 1\n c: 2", 3, 2, "did not find expected key")
    malformed("a: 1\nb: \xFF", 2, 4, "UTF-8")
    malformed("a: 1\nb: x\0", 2, 5, "control characters")
    malformed("a: !!int x", 1, 4, "invalid")
    raised(yaml.load, ("["):rep(20000))
  end)

  it("is not blown up by aliases of aliases", function()
    local lines = { "a0: &a0 [x, x]" }
    for i = 1, 60 do
      lines[#lines + 1] = ("a%d: &a%d [*a%d, *a%d]"):format(i, i, i - 1, i - 1)
    end
    local v = yaml.load(table.concat(lines, "\n"))
    assert.are.equal(v.a59, v.a60[2])
  end)

  it("names a wrong option and a wrong argument", function()
    assert.has_error(function() yaml.load("", { al = true }) end)
    local ok, e = pcall(yaml.load, nil)
    assert.is_false(ok)
    assert.matches("bad argument #1 to 'yaml.load' (a string expected, got nil)", e, 1, true)
  end)
end)

describe("yaml.dump", function()
  it("writes what load reads back", function()
    local value = {
      "plain", "yes", "12", "1.5", "~", "", "null", "multi\nline\n", " lead\nx", "é☃\u{1F600}",
      "a: b",
      "- x", "#c", "tab\t", "\r\n", "'q\"", "\27", "\n", "x\n\n", "1:30", "0x1F", "*a", "&a",
      "!t",
      "%d", "@x", "`y", "?", ":", "trailing ", "---", "...", "a #b", "x\n y\n", "\u{FEFF}x",
      "\u{85}",
      1, 2.0, 0.1, 1e300, -0.0, 1 / 3, math.maxinteger, math.mininteger, math.huge, -math.huge,
      true, false, json.null, { a = { b = { c = {} } } }, json.array(), { { 1, { 2 } } },
    }
    for _, v in ipairs(value) do
      assert.are.same({ v }, { yaml.load(yaml.dump(v)) })
      assert.are.equal(math.type(v), math.type(yaml.load(yaml.dump(v))))
    end
    assert.are.same(value, yaml.load(yaml.dump(value)))
  end)

  it("sorts mappings and keeps keys of other types", function()
    assert.are.equal("1: x\na: 1\nb:\n- 1\n- 2\n", yaml.dump { b = { 1, 2 }, a = 1, [1] = "x" })
    assert.are.equal("{}\n", yaml.dump {})
    assert.are.equal("[]\n", yaml.dump(json.array()))
  end)

  it("names the path of what has no form", function()
    assert.are.equal("value.a[2]", raised(yaml.dump, { a = { 1, print } }).path)
    assert.are.equal("value[1]", raised(yaml.dump, { "\xFF" }).path)
    local cycle = {}
    cycle.x = { cycle }
    assert.matches("contains itself", raised(yaml.dump, cycle).message, 1, true)
    raised(yaml.dump, nil)
  end)
end)
