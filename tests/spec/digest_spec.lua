-- luapool.digest: known answers, pieces against wholes, what is refused.

local digest = require "luapool.digest"
local fs = require "luapool.fs"
local pool = require "luapool.pool"
local process = require "luapool.process"
local refused = require "tests.support.refused"

local function bytes_of_all_values()
  local list = {}
  for i = 0, 255 do list[i + 1] = string.char(i) end
  return table.concat(list)
end

describe("digests", function()
  it("give the known answers", function()
    local answers = {
      md5 = { [""] = "d41d8cd98f00b204e9800998ecf8427e" },
      sha1 = { [""] = "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
      sha256 = { [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
      sha512 = { abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
    }
    for name, texts in pairs(answers) do
      for text, answer in pairs(texts) do
        assert.are.equal(answer, digest[name](text))
        assert.are.equal(answer, digest.new(name):update(text):hex())
      end
    end
  end)

  it("are those of the system's programs, for any bytes", function()
    local dir <close> = fs.tempdir()
    local text = bytes_of_all_values():rep(700)
    fs.write(dir .. "/file", text)
    for _, name in ipairs { "md5", "sha1", "sha224", "sha256", "sha384", "sha512" } do
      local said = process.exec { name .. "sum", "file", cwd = dir.path }.stdout:match "^%x+"
      assert.are.equal(said, digest.new(name):update(text):hex())
      if digest[name] then assert.are.equal(said, digest[name](text)) end
    end
  end)

  it("come in any pieces, and go on after an answer", function()
    local text = bytes_of_all_values():rep(5)
    for _, name in ipairs { "md5", "sha256", "sha3-256", "sha3-512", "blake2b512", "blake2s256" } do
      local hash, at = digest.new(name), 0
      for size = 0, 49 do
        assert.are.equal(hash, hash:update(text:sub(at + 1, at + size)))
        at = at + size
        assert.are.equal(digest.new(name):update(text:sub(1, at)):hex(), hash:hex())
      end
      assert.are.equal(hash:hex(), digest.hex.encode(hash:raw()))
    end
  end)

  it("of a key are HMACs", function()
    -- RFC 4231, case 6: a key that is longer than a block; RFC 2202, case 2
    assert.are.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      digest.hmac("sha256", ("\xAA"):rep(131),
        "Test Using Larger Than Block-Size Key - Hash Key First"))
    assert.are.equal("750c783e6ab0b503eaa86e310a5db738",
      digest.hmac("md5", "Jefe", "what do ya want for nothing?"))
    assert.are.equal(64, #digest.hmac("sha256", "", ""))
  end)

  it("refuse what is no name and no string", function()
    refused("usage", "unknown digest \"sha265\" (did you mean 'sha256'?)", digest.new, "sha265")
    refused("usage", "unknown digest \"RSA-SHA256\"", digest.hmac, "RSA-SHA256", "k", "s")
    refused("usage", "bad argument #1 to 'digest.new'", digest.new)
    refused("usage", "bad argument #1 to 'digest.sha256'", digest.sha256, {})
    refused("usage", "bad argument #2 to 'digest.hmac'", digest.hmac, "md5", nil, "")
    local hash = digest.new "md5"
    refused("usage", "bad argument #1 to 'Hash:update'", hash.update, hash, true)
    refused("usage", "is it called with ':'", hash.update, "text")
  end)

  it("do not travel, but their modules do", function()
    local p <close> = pool.new { processes = 1 }
    assert.are.equal(digest.md5 "x", p:apply(function() return digest.md5 "x" end))
    local hash = digest.new "md5"
    refused("cannot_send", "luapool.digest.Hash", p.apply, p, function() return hash end)
  end)
end)

describe("encodings", function()
  it("give all bytes back", function()
    local all = bytes_of_all_values()
    for n = 0, 300 do
      local text = (all .. all):sub(n % 7 + 1, n % 7 + n)
      for _, name in ipairs { "base64", "base64url", "hex" } do
        assert.are.equal(text, digest[name].decode(digest[name].encode(text)))
      end
    end
  end)

  it("write what RFC 4648 says", function()
    local rows = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for text, code in pairs(rows) do
      assert.are.equal(code, digest.base64.encode(text))
      assert.are.equal((code:gsub("=", "")), digest.base64url.encode(text))
    end
    assert.are.equal("-_-_", digest.base64url.encode(digest.base64.decode "+/+/"))
    assert.are.equal("666f6f00ff", digest.hex.encode "foo\0\xFF")
  end)

  it("read both alphabets, with and without padding, over several lines", function()
    assert.are.equal("foob", digest.base64.decode " Zm9v\r\n\tYg= =\n")
    assert.are.equal("foob", digest.base64.decode "Zm9vYg")
    assert.are.equal("foob", digest.base64url.decode "Zm9vYg==")
    assert.are.equal("\xFB\xEF\xFE", digest.base64url.decode "++_-")
    assert.are.equal("\xAB\xCD", digest.hex.decode "aBcD")
  end)

  it("say where a text is wrong", function()
    local function wrong(name, text, position, said)
      local e = refused("digest", said, digest[name].decode, text)
      assert.are.equal(position, e.position)
    end
    wrong("base64", "Zm9*", 4, "it is no digit")
    wrong("base64", "Zm9v\0", 5, "it is no digit")
    wrong("base64", "Zg==Zg==", 5, "it follows the padding")
    wrong("base64", "Zm9vY", 5, "cut off")
    wrong("base64", "Zg=", 3, "the padding does not fit")
    wrong("base64", "Zm9v=", 5, "the padding does not fit")
    wrong("base64url", "Zh", 2, "extra bits")
    wrong("base64", "=", 1, "the padding does not fit")
    wrong("hex", "0g", 2, "no hexadecimal digit")
    wrong("hex", ("ab"):rep(5000) .. "a", 10001, "no second one")
  end)
end)

describe("random values", function()
  it("have the length that was asked for and differ", function()
    assert.are.equal("", digest.random(0))
    assert.are.equal(100000, #digest.random(100000))
    assert.are.equal(16, #digest.random(16.0))
    assert.are_not.equal(digest.random(16), digest.random(16))
    refused("usage", "bad argument #1", digest.random, -1)
    refused("usage", "bad argument #1", digest.random, "16")
  end)

  it("are others in each worker", function()
    local p <close> = pool.new { processes = 3, concurrency = 1 }
    local seen = {}
    for _, id in p:map(function() return digest.uuid() end, { 1, 2, 3, 4, 5, 6 }) do
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("are UUIDs of version 4 and 7", function()
    local seen, last = {}, ""
    for _ = 1, 3000 do
      local four, seven = digest.uuid(), digest.uuid(7)
      assert.is_truthy(four:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$")
      assert.is_truthy(seven:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-[89ab]%x%x%x%-%x+$")
      assert.are.equal(36, #four)
      assert.is_true(seven > last)
      assert.is_nil(seen[four])
      seen[four], last = true, seven
    end
    local ms = tonumber(last:sub(1, 8) .. last:sub(10, 13), 16)
    assert.is_true(math.abs(ms / 1000 - os.time()) < 100)
    refused("usage", "4 or 7 expected", digest.uuid, 5)
    refused("usage", "4 or 7 expected", digest.uuid, "4")
  end)
end)
