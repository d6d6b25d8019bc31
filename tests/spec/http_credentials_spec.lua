-- Credentials, and what of a request's options may stand in a header: nothing that a server would
-- read as another header.

local internal = require "tests.support.internal"
local digest = require "luapool.digest"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local http = require "luapool.http"
local known = internal "luapool.internal.options"
local nginx = require "tests.support.nginx"
local process = require "luapool.process"
local raw_server = require "tests.support.raw_server"

local EVIL = { "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b" }

describe("what stands in a header", function()
  local spy

  setup(function() spy = raw_server.start(function() return raw_server.answer "ok" end) end)
  teardown(function()
    http.close()
    spy:stop()
  end)
  before_each(function() spy.requests = {} end)

  -- The request is refused before anything leaves, and the error names the option.
  local function refused(option, opts)
    local ok, e = pcall(http.post, spy.url, opts)
    assert.is_false(ok, option)
    assert.is_true(errors.is(e, "usage"), option .. ": " .. tostring(e))
    assert.is_truthy(e.message:find("option '" .. option .. "'", 1, true), e.message)
    assert.are.equal(0, #spy.requests)
  end

  local function sent(opts)
    http.post(spy.url, opts)
    return table.remove(spy.requests).headers
  end

  local FREE = { body = true, json = true }

  it("is checked in each option that takes a string", function()
    local n = 0
    for _, call in ipairs { "http.request", "http.client" } do
      for name, rule in pairs(known.defined[call]) do
        local _, fits = known.rule(rule)
        for _, evil in ipairs(EVIL) do
          if fits(evil) and not FREE[name] then
            n = n + 1
            if known.defined["http.request"][name] then refused(name, { [name] = evil }) end
            if known.defined["http.client"][name] then
              local ok, e = pcall(http.client, { [name] = evil })
              assert.is_false(ok, name)
              assert.is_truthy(e.message:find("option '" .. name .. "'", 1, true), e.message)
            end
          end
        end
      end
    end
    assert.is_true(n > 20)
  end)

  it("is checked inside of tables", function()
    for _, evil in ipairs(EVIL) do
      refused("cookies", { cookies = { a = evil } })
      refused("cookies", { cookies = { [evil] = "a" } })
      refused("headers", { headers = { a = evil } })
      refused("headers", { headers = { a = { "b", evil } } })
      refused("headers", { headers = { [evil] = "a" } })
      refused("headers", { headers = { Referer = evil } })
      for _, of in ipairs { "basic", "digest", "ntlm" } do
        refused("auth", { auth = { evil, "b", type = of } })
        refused("auth", { auth = { "a", evil, type = of } })
        refused("auth", { auth = { user = evil, password = "b", type = of } })
      end
      refused("auth", { auth = "me:" .. evil })
      refused("multipart", { multipart = { [evil] = "b" } })
      refused("multipart", { multipart = { { name = evil, data = "b" } } })
      for _, field in ipairs { "filename", "type" } do
        refused("multipart", { multipart = { a = { data = "b", [field] = evil } } })
      end
    end
    local ok, e = pcall(http.request, "GET\r\nX-Evil: 1", spy.url)
    assert.is_true(not ok and errors.is(e, "usage"))
    ok, e = pcall(http.get, spy.url .. "/ HTTP/1.1\r\nX-Evil: 1")
    assert.is_true(not ok and errors.is(e, "protocol"))
  end)

  it("separates neither cookies nor users where the value is one", function()
    refused("cookies", { cookies = { a = "b; c=d" } })
    refused("cookies", { cookies = { ["a; b"] = "c" } })
    refused("cookies", { cookies = { ["a=b"] = "c" } })
    refused("auth", { auth = { "me:you", "secret" } })
    assert.are.equal("a=b=c", sent({ cookies = { a = "b=c" } }).cookie)
  end)

  it("is text, and no address of a value", function()
    for _, value in ipairs { require("luapool.json").null, print, {}, false } do
      if type(value) ~= "table" and value then
        refused("headers", { headers = { a = value } })
        refused("params", { params = { a = value } })
      end
      if value then refused("cookies", { cookies = { a = value } }) end
    end
    refused("form", { form = { a = { {} } } })
    refused("params", { params = { "a" } })
  end)

  it("may be empty, or blank", function()
    local got = sent {
      headers = { ["X-Empty"] = "", ["X-Blank"] = " \t ", ["X-List"] = { "", "b" } },
    }
    assert.are.equal("", got["x-empty"])
    assert.are.equal("", got["x-blank"])
    assert.are.equal(", b", got["x-list"])
  end)

  it("is named with the nearest field when it is unknown", function()
    local ok, e = pcall(http.get, spy.url, { auth = { usr = "me", password = "x" } })
    assert.is_false(ok)
    assert.is_truthy(e.message:find("unknown field 'usr' (did you mean 'user'?)", 1, true))
  end)
end)

describe("credentials", function()
  local server, url

  setup(function()
    server = nginx.start()
    url = server.url
  end)
  teardown(function()
    http.close()
    server:stop()
  end)

  local function get(path, opts) return http.get(url .. path, opts) end

  it("of types basic and digest, and tokens, let in who knows them", function()
    assert.are.equal(200, get("/auth/basic/me/secret", { auth = { "me", "secret" } }).status)
    assert.are.equal(200, get("/auth/basic/me/secret", { auth = "me:secret" }).status)
    assert.are.equal(200, get("/auth/basic/me/a:b", { auth = "me:a:b" }).status)
    assert.are.equal(401, get("/auth/basic/me/secret").status)
    assert.are.equal(200, get("/auth/bearer/t0ken", { bearer = "t0ken" }).status)
    for _, stream in ipairs { true, false } do
      local auth, wrong = { "me", "secret", type = "digest" }, { "me", "?", type = "digest" }
      local res = get("/auth/digest/me/secret", { auth = auth, stream = stream })
      assert.are.equal("200 welcome\n", res.status .. " " .. (res.body or res:read()))
      local refused = get("/auth/digest/me/secret", { auth = wrong, stream = stream })
      assert.are.equal(401, refused.status)
    end
  end)

  it("of a request replace those of its client", function()
    local client <close> = http.client { base_url = url, bearer = "t0ken" }
    assert.are.equal(200, client:get("/auth/bearer/t0ken").status)
    assert.are.equal(200, client:get("/auth/bearer/other", { bearer = "other" }).status)
    assert.are.equal(200, client:get("/auth/basic/me/secret", { auth = "me:secret" }).status)
    local basic <close> = http.client { base_url = url, auth = "me:secret" }
    assert.are.equal(200, basic:get("/auth/bearer/t0ken", { bearer = "t0ken" }).status)
    local ok, e = pcall(get, "/", { auth = "a:b", bearer = "c" })
    assert.is_true(not ok and errors.is(e, "usage"))
  end)

  it("come from a netrc file where that is asked for, and only for its hosts", function()
    local dir <close> = fs.tempdir()
    local file = dir .. "/netrc"
    fs.write(file, "machine 127.0.0.1 login me password secret\n")
    assert.are.equal(200, get("/auth/basic/me/secret", { netrc = file }).status)
    assert.are.equal(401, get("/auth/basic/me/secret", { netrc = false }).status)
    local other = url:gsub("127%.0%.0%.1", "localhost")
    assert.are.equal(401, http.get(other .. "/auth/basic/me/secret", { netrc = file }).status)
    local to = { netrc = file, params = { url = other .. "/echo" } }
    assert.is_nil(get("/goto", to):json().headers.authorization)
  end)

  it("come from the user's own file when netrc is true", function()
    local home <close> = fs.tempdir()
    fs.write(home .. "/.netrc", "machine 127.0.0.1 login me password secret\n")
    fs.write(home .. "/get.lua", 'print(require("luapool.http").get(..., { netrc = true }).status)')
    local run = process.exec { os.getenv "LUAPOOL", "run", home .. "/get.lua", "--",
      url .. "/auth/basic/me/secret", env = { HOME = tostring(home) } }
    assert.are.equal("200\n", run.stdout, run.stderr)
  end)

  it("of other types are refused, and the types are named", function()
    local ok, e = pcall(get, "/", { auth = { "me", "secret", type = "kerberos" } })
    assert.is_false(ok)
    assert.is_true(errors.is(e, "usage"))
    assert.is_truthy(e.message:find('"basic" or "digest" or "ntlm"', 1, true), e.message)
  end)

  -- The message by which a server of NTLM challenges: no flags but Unicode and NTLM.
  local function challenge()
    local flags = string.pack("<I4", 0x00000201)
    return "NTLMSSP\0" .. string.pack("<I4I2I2I4", 2, 0, 0, 40) .. flags .. "challeng"
      .. ("\0"):rep(8)
  end

  it("of type ntlm are shown in three steps, and never as basic", function()
    local seen = {}
    local spy <close> = raw_server.start(function(request)
      local given = request.headers.authorization or "none"
      local message = digest.base64.decode(given:match("^NTLM (.*)") or "")
      seen[#seen + 1] = given:match("^%S+") .. " " .. (message:byte(9) or "")
      if message:byte(9) == 3 then return raw_server.answer(request.body) end
      local challenged = message:byte(9) == 1 and " " .. digest.base64.encode(challenge()) or ""
      return raw_server.answer("no", "401 Unauthorized",
        ("WWW-Authenticate: NTLM%s\r\n"):format(challenged))
    end)
    local opts = { auth = { "me", "secret", type = "ntlm" }, body = "the body" }
    for _, stream in ipairs { false, true } do
      seen, opts.stream = {}, stream
      local client <close> = http.client()
      local res = client:post(spy.url, opts)
      assert.are.equal("200 the body", res.status .. " " .. (res.body or res:read()))
      assert.are.same({ "NTLM 1", "NTLM 3" }, seen)
    end
  end)
end)
