-- internal.memcached.reader: replies cut anywhere, and bytes that are no replies.

local internal = require "tests.support.internal"
local readers = internal "luapool.internal.memcached.reader"

-- All replies in some bytes, which come in pieces of so many; and what was wrong, if anything.
local function read(bytes, size)
  local reader, replies = readers.new(), {}
  for at = 1, #bytes, size do
    reader:feed(bytes:sub(at, at + size - 1))
    repeat
      local complete, reply, err = reader:next()
      if complete == nil then return replies, reply end
      if complete then table.insert(replies, { reply = reply, err = err }) end
    until not complete
  end
  return replies, nil, reader
end

local function value(key, flags, data, cas)
  return { key = key, flags = flags, data = data, cas = cas, size = #data }
end

local all = table.concat {
  "STORED\r\n", "END\r\n", "VALUE a 0 5\r\nhello\r\nEND\r\n",
  "VALUE a 2 0\r\n\r\nVALUE b 512 9 17\r\nEND\r\nEND\r\r\nEND\r\n", "42\r\n", "9 \r\n",
  "STAT pid 7\r\nSTAT version 1.6.18\r\nSTAT empty \r\nEND\r\n", "VERSION 1.6.18\r\n", "ERROR\r\n",
  "CLIENT_ERROR bad data chunk\r\n", "VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n",
  "NOT_FOUND\r\n",
}

local expected = {
  { reply = "STORED" }, { reply = {} }, { reply = { value("a", 0, "hello") } },
  { reply = { value("a", 2, ""), value("b", 512, "END\r\nEND\r", "17") } },
  { reply = "42" }, { reply = "9 " },
  { reply = { stats = { pid = "7", version = "1.6.18", empty = "" } } },
  { reply = "VERSION 1.6.18" }, { err = "ERROR" }, { err = "CLIENT_ERROR bad data chunk" },
  { err = "SERVER_ERROR out of memory" }, { reply = "NOT_FOUND" },
}

describe("the reader", function()
  it("reads what comes at once, byte by byte, and in pieces of any size", function()
    for size = 1, #all do
      local replies, wrong = read(all, size)
      assert.is_nil(wrong)
      assert.are.same(expected, replies)
    end
  end)

  it("takes any bytes as data, large ones in linear time", function()
    local data = {}
    for i = 0, 255 do data[i + 1] = string.char(i) end
    data = table.concat(data):rep(4000) -- 1 MB
    local replies = read(("VALUE k 0 %d\r\n%s\r\nEND\r\n"):format(#data, data), 7)
    assert.are.equal(data, replies[1].reply[1].data)
    replies = read(("STORED\r\n"):rep(100000), 1 << 20)
    assert.are.equal(100000, #replies)
  end)

  it("tells what is no reply, and where it begins", function()
    for text, wrong in pairs {
      ["HTTP/1.1 400 Bad Request\r\n"] = false, -- a word like others: who has asked knows better
      ["hello\r\n"] = '"hello"', ["\r\n"] = '""', [" STORED\r\n"] = '" STORED"',
      ["VALUE a 0\r\n"] = '"VALUE a 0"', ["VALUE a x 1\r\n"] = '"VALUE a x 1"',
      ["VALUE a 0 -1\r\n"] = '"VALUE a 0 -1"', ["STAT\r\n"] = '"STAT"',
      ["VALUE a 0 99999999999999999999\r\n"] = "VALUE", ["VALUE a 0 2000000000\r\n"] = "VALUE",
      ["VALUE " .. ("k"):rep(251) .. " 0 1\r\n"] = "VALUE kkk",
      ["VALUE a 0 3\r\nabcdEND\r\n"] = '"dE', ["VALUE a 0 1\r\nx\r\nSTORED\r\n"] = '"STORED"',
      ["-ERR unknown command\r\n"] = '"-ERR', ["ST\1RED\r\n"] = '"ST?RED"',
      [("x"):rep(9000)] = '"xxxx', ["A\nB\r\n"] = '"A?B"',
    } do
      for _, size in ipairs { 1, 3, 10000 } do
        local _, problem = read(text, size)
        if wrong then
          assert.matches("no reply of memcached: ", problem)
          assert.matches(wrong, problem, 1, true)
        else
          assert.is_nil(problem)
        end
      end
    end
  end)

  it("survives damaged bytes, with replies or a reason", function()
    math.randomseed(5)
    local function damage(text)
      for _ = 1, math.random(1, 4) do
        local at, dice = math.random(#text), math.random(4)
        local piece = dice == 1 and "" or dice == 2 and string.char(math.random(0, 255))
          or dice == 3 and text:sub(at, at + math.random(0, 9)):rep(2) or "\r\n"
        text = text:sub(1, at - 1) .. piece .. text:sub(at + math.random(0, 3))
      end
      return text
    end
    local good, bad = 0, 0
    for _ = 1, 4000 do
      local text = damage(all)
      local replies, wrong, reader = read(text, math.random(1, 40))
      if wrong then
        bad = bad + 1
        assert.are.equal("string", type(wrong))
      else
        good = good + 1
        assert.is_true(reader.have <= #text)
      end
      assert.is_true(#replies <= #text)
    end
    assert.is_true(good > 100 and bad > 100, good .. " " .. bad)
    for _ = 1, 500 do
      local noise = {}
      for i = 1, math.random(1, 300) do noise[i] = string.char(math.random(0, 255)) end
      read(table.concat(noise), math.random(1, 300))
    end
  end)
end)
