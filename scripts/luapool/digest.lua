-- luapool.digest: digests, HMAC, Base64, hexadecimal digits, UUIDs and random bytes, on libcrypto
-- (bindings/digest/). Nothing here waits.

local core = require "luapool.digest.core"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- Digests of bytes, and how bytes are written as text.
---
--- ```lua
--- print(digest.sha256("abc"):sub(1, 16)) --> ba7816bf8f01cfea
--- print(digest.base64.encode "luapool") --> bHVhcG9vbA==
--- ```
---@kind digest a text cannot be decoded; field `position`, the place of its first wrong byte
---@class luapool.digest
local M = {
  sha256 = core.sha256,
  sha1 = core.sha1,
  sha512 = core.sha512,
  md5 = core.md5,
}

--- How bytes are written as text, and back.
---@class luapool.digest.Encoding
---@field encode fun(bytes: string): string
---@field decode fun(text: string): string raises kind `digest` for what it cannot read

--- Base64 (RFC 4648), padded with "=". `decode` also reads the alphabet for URLs and text without
--- padding; it passes over spaces and line ends.
---
--- ```lua
--- print(digest.base64.encode "\xFB\xEF", digest.base64.decode "++8=" == "\xFB\xEF") --> ++8= true
--- print(select(2, pcall(digest.base64.decode, "ab*d")).position) --> 3
--- ```
---@type luapool.digest.Encoding
M.base64 = { encode = core.base64_encode, decode = core.base64_decode }

--- Base64 for URLs and file names: "-" and "_" in place of "+" and "/", without padding. `decode`
--- reads what `base64.decode` does.
---
--- ```lua
--- print(digest.base64url.encode "\xFB\xEF", #digest.base64url.decode "--8") --> --8 2
--- ```
---@type luapool.digest.Encoding
M.base64url = { encode = core.base64url_encode, decode = core.base64url_decode }

--- Two hexadecimal digits a byte, in lower case; `decode` takes both cases.
---
--- ```lua
--- print(digest.hex.encode "\0\xFF", #digest.hex.decode "00FF") --> 00ff 2
--- ```
---@type luapool.digest.Encoding
M.hex = { encode = core.hex_encode, decode = core.hex_decode }

local known = {}
for _, name in ipairs(core.names) do known[name] = true end

local function check_name(where, name)
  usage.argument(where, 1, name, "string")
  if known[name] then return end
  usage.raise(where, "unknown digest %s%s", usage.describe(name), options.hint(name, known))
end

--- Returns the HMAC of a string under a key (RFC 2104), as hexadecimal digits.
---
--- ```lua
--- print(digest.hmac("sha256", "key", "message"):sub(1, 16)) --> 6e9ef29b75fffc5b
--- ```
---@param name string of the digest: see `digest.new`
---@param key string
---@param bytes string
---@return string
function M.hmac(name, key, bytes)
  check_name("digest.hmac", name)
  return core.hmac(name, key, bytes)
end

--- A digest of bytes that come piece by piece: see `digest.new`.
---@class luapool.digest.Hash
---@within digest

--- Begins a digest. The names are md5, sha1, sha224, sha256, sha384, sha512, sha3-256, sha3-512,
--- blake2s256 and blake2b512.
---
--- ```lua
--- local hash = digest.new "sha256"
--- for _, piece in ipairs { "a", "b", "c" } do hash:update(piece) end
--- print(hash:hex() == digest.sha256 "abc") --> true
--- ```
---@param name string
---@return luapool.digest.Hash
function M.new(name)
  check_name("digest.new", name)
  return core.new(name)
end

--- Returns random bytes that nobody can foretell: for keys and tokens.
---
--- ```lua
--- print(#digest.random(16)) --> 16
--- ```
---@param n integer
---@return string
function M.random(n)
  usage.argument("digest.random", 1, n, "count0")
  return core.random(math.tointeger(n))
end

-- The latest time that a UUID of version 7 of this process holds, in units of 1/4096 ms.
local latest = 0

local function now()
  local ms, part = core.clock()
  latest = math.max(ms << 12 | part, latest + 1)
  return latest
end

--- Returns a new UUID (RFC 9562). Version 4 is random. Version 7 begins with the time, so that
--- those made later sort behind those made before: a good key for a database.
---
--- ```lua
--- assert(digest.uuid():match "^%x+-%x+-4%x+-[89ab]%x+-%x+$")
--- print(#digest.uuid(7), digest.uuid(7) < digest.uuid(7)) --> 36 true
--- ```
---@param version? 4|7 4 unless said
---@return string
function M.uuid(version)
  if version == nil then version = 4 end
  if version ~= 4 and version ~= 7 then usage.expected("digest.uuid", 1, "4 or 7", version) end
  local high, low = string.unpack(">I8I8", core.random(16))
  if version == 7 then
    local time = now()
    high = (time >> 12) << 16 | time & 0xFFF
  end
  return core.uuid(math.tointeger(version), high, low)
end

return M
