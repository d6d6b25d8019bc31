-- luapool.json: exactness both ways, and what is said of values and texts that cannot be converted.

local json = require "luapool.json"
local errors = require "luapool.error"
local pool = require "luapool.pool"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, "json"), tostring(e))
  return e
end

local function refused(value, path, what)
  local e = raised(json.encode, value)
  assert.are.equal(path, e.path)
  assert.matches(what, tostring(e), 1, true)
end

local function malformed(text, line, column, what)
  local e = raised(json.decode, text)
  assert.matches(what, tostring(e), 1, true)
  assert.are.same({ line, column }, { e.line, e.column })
  assert.is_nil(tostring(e):find "[%c]")
end

describe("json.encode", function()
  it("keeps integers of 64 bits", function()
    assert.are.equal("[9223372036854775807,-9223372036854775808,0]",
      json.encode { math.maxinteger, math.mininteger, 0 })
  end)

  it("writes floats as floats, in the fewest digits", function()
    assert.are.equal("[1.0,-0.0,0.1,2.5,1e+300,1e-07]", json.encode { 1.0, -0.0, 0.1, 2.5,
      1e300, 1e-7 })
    for _ = 1, 2000 do
      local bits = string.pack("<I4I4", math.random(0, 0xFFFFFFFF), math.random(0, 0xFFFFFFFF))
      local x = string.unpack("<d", bits)
      if x == x and math.abs(x) ~= math.huge then
        local back = json.decode(json.encode(x))
        assert.are.equal(x, back)
        assert.are.equal("float", math.type(back))
      end
    end
  end)

  it("escapes what must be escaped and nothing else", function()
    assert.are.equal([["\u0000\u0001\b\t\n\f\r\u001f\"\\/]] .. "\127é☃\u{1F600}\"",
      json.encode "\0\1\b\t\n\f\r\31\"\\/\127é☃\u{1F600}")
  end)

  it("tells lists from objects", function()
    assert.are.equal("{}", json.encode {})
    assert.are.equal("[]", json.encode(json.array()))
    assert.are.equal("[[],{}]", json.encode { json.array {}, {} })
    assert.are.equal("[null,false]", json.encode { json.null, false })
    local backwards = {}
    for i = 100, 1, -1 do backwards[i] = i end
    assert.are.equal("[" .. table.concat(backwards, ",") .. "]", json.encode(backwards))
  end)

  it("indents and sorts when asked", function()
    local value = { b = { 1, {} }, a = json.array(), [""] = true, ["a\0"] = 1 }
    assert.are.equal('{"":true,"a":[],"a\\u0000":1,"b":[1,{}]}', json.encode(value,
      { sort_keys = true }))
    assert.are.equal('{\n  "": true,\n  "a": [],\n  "a\\u0000": 1,\n'
      .. '  "b": [\n    1,\n    {}\n  ]\n}',
      json.encode(value, { sort_keys = true, indent = 2 }))
  end)

  it("sorts objects of any size", function()
    for n = 0, 70 do
      local value, keys, parts = {}, {}, {}
      while #keys < n do
        local key = ("k"):rep(math.random(3)) .. math.random(0, 999)
        if not value[key] then table.insert(keys, key) end
        value[key] = { b = n, a = key }
      end
      table.sort(keys)
      for i, key in ipairs(keys) do parts[i] = ('"%s":{"a":"%s","b":%d}'):format(key, key, n) end
      assert.are.equal("{" .. table.concat(parts, ",") .. "}",
        json.encode(value, { sort_keys = true }))
    end
    for n = 1, 70 do
      local value = { [n] = true }
      for i = 1, n do value["k" .. i] = i end
      assert.is_false(pcall(json.encode, value, { sort_keys = true }))
    end
  end)

  it("names the path of what has no form", function()
    refused({ items = { 1, 2, { handle = print } } }, "value.items[3].handle",
      "a function has no form in JSON")
    refused({ a = { b = 0 / 0 } }, "value.a.b", "nan is not")
    refused({ -math.huge }, "value[1]", "inf is not")
    refused({ a = { 1, nil, 3 } }, "value.a", "holes")
    refused({ a = { 1, x = 2 } }, "value.a", "a list that also has the field 'x'")
    refused({ a = { [true] = 1 } }, "value.a", "a key that is a boolean")
    refused({ a = { [5] = 1 } }, "value.a", "a key that is a number")
    refused({ a = { [1.5] = 1, [1] = 1 } }, "value.a", "a key that is a number")
    refused({ "ok", "ab\xFF" }, "value[2]", "invalid UTF-8 in a string, at byte 3")
    refused(io.stdout, "value", "a userdata")
    refused(nil, "value", "nil")
    local e = raised(json.encode, { x = { [true] = 1 } }, { sort_keys = true })
    assert.are.equal("value.x", e.path)
  end)

  it("refuses every kind of invalid UTF-8", function()
    for _, bad in ipairs { "\x80", "\xC0\x80", "\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80",
      "\xE2\x82",
      "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF8\x88\x80\x80\x80" } do
      refused({ bad }, "value[1]", "invalid UTF-8")
      refused({ [bad] = 1 }, "value." .. bad, "invalid UTF-8")
    end
  end)

  it("refuses cycles and bottomless nesting, and takes shared tables", function()
    local cycle = { list = {} }
    cycle.list[1] = cycle
    refused(cycle, "value.list[1]", "contains itself")
    local shared = { 1 }
    assert.are.equal("[[1],[1]]", json.encode { shared, shared })
    local deep = json.array()
    for _ = 1, 2047 do deep = { deep } end
    assert.are.equal(("["):rep(2048) .. ("]"):rep(2048), json.encode(deep))
    refused({ deep }, "value..." .. ("[1]"):rep(8), "nested too deep")
  end)

  it("ignores metamethods", function()
    local t = setmetatable({ a = 1 }, { __pairs = error, __index = error, __len = error })
    assert.are.equal('{"a":1}', json.encode(t))
  end)

  it("names a wrong option and the nearest known one", function()
    local ok, e = pcall(json.encode, {}, { ident = 2 })
    assert.is_false(ok)
    assert.matches("unknown option 'ident' (did you mean 'indent'?)", tostring(e), 1, true)
  end)
end)

describe("json.decode", function()
  it("keeps integers and floats apart", function()
    assert.are.equal(math.maxinteger, json.decode "9223372036854775807")
    assert.are.equal(math.mininteger, json.decode "-9223372036854775808")
    assert.are.equal("integer", math.type(json.decode "1"))
    assert.are.equal("float", math.type(json.decode "1.0"))
    assert.are.equal("float", math.type(json.decode "1e2"))
  end)

  it("gives null as json.null and empty lists with their mark", function()
    local v = json.decode '{"a": null, "b": [null, []], "c": {}}'
    assert.are.equal(json.null, v.a)
    assert.are.equal(json.null, v.b[1])
    assert.are.equal('{"a":null,"b":[null,[]],"c":{}}', json.encode(v, { sort_keys = true }))
  end)

  it("leaves out what is null when it is told so", function()
    local v = json.decode('{"a": null, "b": [null, 1, null, [null]], "c": false}', { null = false })
    assert.are.same({ b = { 1, {} }, c = false }, v)
    assert.are.equal("[]", json.encode(v.b[2]))
    assert.is_nil(json.decode("null", { null = false }))
    local ok, e = pcall(json.decode, "null", { null = true })
    assert.is_false(ok)
    assert.matches("option 'null' must be false, got true", e, 1, true)
  end)

  it("reads any scalar, escapes and a byte order mark", function()
    assert.are.equal("a\0b\u{1F600}/\"", json.decode [["a\u0000b\ud83d\ude00\/\""]])
    assert.is_false(json.decode " false ")
    assert.are.equal(2, json.decode "\u{FEFF}[1,2]"[2])
  end)

  it("says where a text is malformed", function()
    malformed("[1,2", 1, 4, "']' expected near end of file")
    malformed('{"a":\n  nope}', 2, 6, "invalid token near 'nope'")
    malformed("", 1, 0, "end of file")
    malformed("[] x", 1, 4, "end of file expected near 'x'")
    malformed("[1,]", 1, 4, "unexpected token near ']'")
    malformed('["a\nb"]', 1, 3, "unexpected newline")
    malformed('"\xFF"', 1, 1, "0xff")
    malformed("nan", 1, 3, "invalid token")
    malformed(("["):rep(5000), 1, 2049, "maximum parsing depth reached")
    assert.are.equal(12, raised(json.decode, '{"a":\n  nope}').position)
  end)

  it("reads numbers that no integer or no float holds", function()
    local function reads(text, value)
      local read = json.decode("[1, " .. text .. ", -" .. text .. "]")
      assert.are.equal(1, read[1])
      assert.are.same({ value, -value }, { read[2], read[3] })
      assert.are.equal("float", math.type(read[2]))
    end
    reads("9223372036854775809", 2.0 ^ 63)
    reads("18446744073709551615", 2.0 ^ 64)
    reads("9999999999999999999", 1e19)
    reads("99999999999999999999999999", 1e26)
    reads("123456789012345678901234567890", 123456789012345678901234567890.0)
    reads("1" .. ("0"):rep(308), 1e308)
    reads("1" .. ("0"):rep(309), math.huge)
    reads("1e400", math.huge)
    reads("2e308", math.huge)
    reads("17976931348623157" .. ("0"):rep(292) .. ".5e+1", math.huge)
    for _ = 1, 500 do
      local digits = { math.random(1, 9) }
      for i = 2, math.random(20, 100) do digits[i] = math.random(0, 9) end
      local text = table.concat(digits)
      reads(text, tonumber(text .. ".0"))
    end
    assert.are.equal("integer", math.type(json.decode "-9223372036854775808"))
    assert.are.equal(-2.0 ^ 63, json.decode "-9223372036854775809")
    local same = json.decode "[1e400, 9e307, 90e306, 9E306, -1e999]"
    assert.are.same({ math.huge, 9e307, 9e307, 9e306, -math.huge }, same)
    assert.are.same({ math.huge, "1e400", 1e-400 }, json.decode '[1e400, "1e400", 1e-400]')
  end)

  it("refuses them when numbers are to be exact", function()
    local function inexact(text, column, what)
      local e = raised(json.decode, text, { numbers = "exact" })
      assert.matches(what, tostring(e), 1, true)
      assert.are.equal(column, e.column)
    end
    inexact("9223372036854775808", 19, "too big integer")
    inexact("[1e999]", 6, "real number overflow")
    assert.are.equal(math.mininteger, json.decode("-9223372036854775808", { numbers = "exact" }))
    assert.are.equal("\u{FFFD}", json.decode([["\ud800"]], { numbers = "exact" }))
    local _, wrong = pcall(json.decode, "1", { numbers = "string" })
    assert.matches('option \'numbers\' must be "float" or "exact"', tostring(wrong), 1, true)
  end)

  it("does not take for a number what is none", function()
    for _, text in ipairs { "00018446744073709551616", "1e400e5", "1e400.5", "-", "1e+", "1.e400",
      "18446744073709551616.", "--18446744073709551616", "+1e400", "[1e400,]", "1e400x" } do
      raised(json.decode, text)
    end
    local e = raised(json.decode, '[18446744073709551616, 1e400, "\\ud800",\n  nope]')
    assert.are.same({ 2, 6 }, { e.line, e.column })
  end)

  it("reads half a surrogate pair as U+FFFD", function()
    local function reads(escapes, text)
      assert.are.equal(text, json.decode('"' .. escapes .. '"'))
    end
    reads([[\ud800]], "\u{FFFD}")
    reads([[a\uDFFFb]], "a\u{FFFD}b")
    reads([[\ud83d\ude00\ud83d]], "\u{1F600}\u{FFFD}")
    reads([[\ude00\ud83d]], "\u{FFFD}\u{FFFD}")
    reads([[\ud83d\ud83d\ude00]], "\u{FFFD}\u{1F600}")
    reads([[\\ud800\ud800\"\ud800]], "\\ud800\u{FFFD}\"\u{FFFD}")
    assert.are.equal(1, json.decode([[{"\ud800": 1}]])["\u{FFFD}"])
    raised(json.decode, [["\ud800\ux"]])
  end)

  it("survives every cut and every changed byte of a text", function()
    local text = '{"a":[1,-2.5e3,"x\\u00e9\\n",true,false,null],"b":{"c":{}}}'
    for i = 0, #text - 1 do raised(json.decode, text:sub(1, i)) end
    for i = 1, #text do
      for _, c in ipairs { "\0", "\xFF", '"', "{", "]", "\\" } do
        local ok, e = pcall(json.decode, text:sub(1, i - 1) .. c .. text:sub(i + 1))
        if not ok then assert.is_true(errors.is(e, "json")) end
      end
    end
  end)

  it("takes megabytes and gives them back the same", function()
    local list = {}
    for i = 1, 20000 do
      list[i] = { id = i, name = "é" .. i, price = i / 7, tags = { "a", "b" }, none = json.null }
    end
    local text = json.encode(list, { sort_keys = true })
    assert.are.equal(text, json.encode(json.decode(text), { sort_keys = true }))
    assert.are.equal(5000000, #json.decode(json.encode(("é"):rep(2500000))))
  end)
end)

describe("json.null", function()
  it("is named in texts, and is no value of a request", function()
    assert.are.equal("null", tostring(json.null))
    local http = require "luapool.http"
    local function is_refused(opts, named)
      local ok, e = pcall(http.post, "http://127.0.0.1:1/", opts)
      assert.is_false(ok)
      assert.are.equal("usage", e.kind)
      assert.matches(named, tostring(e), 1, true)
      assert.matches("got json.null", tostring(e), 1, true)
    end
    for _, option in ipairs { "params", "form", "headers", "cookies", "multipart" } do
      is_refused({ [option] = { a = json.null } }, "option '" .. option .. "': 'a'")
    end
    is_refused({ params = { a = { 1, json.null } } }, "option 'params': 'a'")
    is_refused({ body = json.null }, "option 'body'")
    is_refused({ bearer = json.null }, "option 'bearer'")
  end)
end)

describe("json over processes", function()
  it("has one null and one mark of lists everywhere", function()
    local p <close> = pool.new { processes = 1 }
    local same, text, null, list = p:apply(function(null, list)
      return null == json.null, json.encode(list), json.null, json.array()
    end, json.null, json.array {})
    assert.is_true(same)
    assert.are.equal("[]", text)
    assert.are.equal(json.null, null)
    assert.are.equal("[]", json.encode(list))
  end)
end)
