-- Look-ups at a DNS server that does what it wants: support/names/server.py says how it answers
-- which name. tests/cli/names.sh runs this file in a namespace of its own.

local dns = require "luapool.dns"
local errors = require "luapool.error"
local http = require "luapool.http"
local raw_server = require "tests.support.raw_server"
local sockets = require "socket"
local task = require "luapool.task"

local function fails(code, name)
  local ok, e = pcall(dns.lookup, name)
  assert.is_false(ok, name)
  assert.are.equal("dns", e.kind)
  assert.are.equal(code, e.code)
  assert.are.equal(name, e.name)
end

-- How often a name was asked for.
local asked
do
  local n = 0
  function asked(label)
    n = n + 1
    local high, low = dns.lookup(("count%d.%s.test"):format(n, label))[1]:match "(%d+)%.(%d+)$"
    return high * 256 + low
  end
end

describe("a look-up", function()
  it("finds addresses of both families", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "good.test")
    local both = dns.lookup "both.test"
    table.sort(both)
    assert.are.same({ "127.0.0.1", "::1" }, both)
  end)

  it("follows aliases, the search list and the hosts file", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "alias.test")
    assert.are.same({ "127.0.0.1" }, dns.lookup "intranet")
    assert.are.same({ "127.0.0.7" }, dns.lookup "seven.home")
    assert.are.same({ "::7" }, dns.lookup "six.home")
    assert.are.equal(0, asked "seven")
  end)

  it("takes addresses as they are", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "127.1")
    assert.are.same({ "127.0.0.1" }, dns.lookup "0x7f000001")
    assert.are.same({ "::1" }, dns.lookup "::1")
  end)

  it("repeats over TCP what was too large", function()
    assert.are.same({ "127.0.0.9" }, dns.lookup "big.test")
  end)

  it("believes no answer to another question", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "lies.test")
  end)

  it("fails with a code", function()
    fails("EAI_NONAME", "none.test")
    fails("EAI_NONAME", "none.example")
    fails("EAI_AGAIN", "servfail.test")
    fails("EAI_AGAIN", "refused.test")
    fails("EAI_NONAME", "..")
    fails("EAI_NONAME", ("x"):rep(300) .. ".test")
    for _, name in ipairs { "loop.test", "garbage.test" } do
      local ok, e = pcall(dns.lookup, name)
      assert.is_true(not ok and errors.is(e, "dns"), name)
    end
  end)

  it("takes international names, in the locale C", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "bücher.test")
    assert.are.same({ "127.0.0.1" }, dns.lookup "BÜCHER.test")
    fails("EAI_NONAME", "b\xfccher.test")
  end)

  it("ends by itself where nobody answers, and is not remembered then", function()
    local began = task.now()
    fails("EAI_AGAIN", "dead.test")
    local took = task.now() - began
    assert.is_true(took > 0.5 and took < 30, took)
    assert.is_true(asked "dead" >= 1)
    assert.are.equal("timeout", select(2, pcall(task.timeout, 0.05, dns.lookup, "dead.test")).kind)
  end)

  it("can be given up", function()
    local waiting = {}
    for i = 1, 20 do waiting[i] = task.spawn(dns.lookup, "dead77.test") end
    task.sleep(0.01)
    for _, t in ipairs(waiting) do t:cancel() end
    for _, t in ipairs(waiting) do
      assert.is_true(errors.is(select(2, t:result()), "cancelled"))
    end
  end)

  it("is shared by all that ask for the same name", function()
    local all = {}
    for i = 1, 50 do all[i] = task.spawn(dns.lookup, "slow1.test") end
    all[1]:cancel()
    for i = 2, 50 do assert.are.same({ "127.0.0.1" }, all[i]:await()) end
    local n = asked "slow1" -- c-ares asks again where an answer takes longer than usual
    assert.is_true(n >= 1 and n < 10, n)
  end)

  it("is remembered for its time to live", function()
    for _ = 1, 5 do dns.lookup "good5.test" end
    assert.are.equal(1, asked "good5")
    dns.lookup "short1.test"
    dns.lookup "short1.test"
    task.sleep(1.1)
    dns.lookup "short1.test"
    assert.are.equal(2, asked "short1")
    for _ = 1, 5 do fails("EAI_NONAME", "none5.test") end
    assert.are.equal(1, asked "none5")
  end)

  it("does not wait for an AAAA record that never comes, when there is an A record", function()
    assert.are.same({ "127.0.0.1" }, dns.lookup "half.test")
  end)

  it("finds the name of an address", function()
    assert.are.equal("five.good.test", (sockets.dns.tohostname "127.0.0.5"))
    assert.are.equal("localhost", (sockets.dns.tohostname "127.0.0.1"))
    assert.are.same({ nil, "host not found" }, { sockets.dns.tohostname "127.0.0.99" })
    assert.are.equal("good.test", select(2, sockets.dns.toip "alias.test").name)
    local dead = task.spawn(sockets.dns.toip, "dead78.test")
    task.yield()
    dead:cancel()
    assert.is_true(errors.is(select(2, dead:result()), "cancelled"))
  end)
end)

describe("the files of the system", function()
  local etc = os.getenv "NAMES_ETC"

  local function write(name, text)
    local file <close> = assert(io.open(etc .. "/" .. name, "w"))
    file:write(text)
  end

  local function read(name)
    local file <close> = assert(io.open(etc .. "/" .. name))
    return file:read "a"
  end

  it("are read again when they have changed", function()
    local hosts, resolv = read "hosts", read "resolv.conf"
    fails("EAI_NONAME", "new.home")
    write("hosts", hosts .. "127.0.0.8 new.home\n")
    task.sleep(0.3)
    assert.are.same({ "127.0.0.8" }, dns.lookup "new.home")
    -- a query that is under way goes on at the new servers
    write("resolv.conf", (resolv:gsub("127.0.0.53", "127.0.0.54")))
    task.sleep(0.3)
    local waiting = task.spawn(function() return pcall(dns.lookup, "slow9.test") end)
    waiting:await()
    write("resolv.conf", resolv)
    task.sleep(0.3)
    assert.are.same({ "127.0.0.1" }, dns.lookup "slow9.test")
    write("hosts", hosts)
  end)

  it("lead to the system's own look-up for local names when they name other sources", function()
    write("nsswitch.conf", "hosts: files dns myhostname\n")
    task.sleep(0.3)
    fails("EAI_NONAME", "printer.local")
    fails("EAI_NONAME", "unknown")
    assert.are.same({ "127.0.0.1" }, dns.lookup "good8.test")
    write("nsswitch.conf", "hosts: files dns\n")
  end)
end)

describe("a request", function()
  it("uses a name", function()
    local server <close> = raw_server.start(function() return raw_server.answer "ok" end)
    local port = server.url:match ":(%d+)"
    assert.are.equal("ok", http.get(("http://good.test:%s/"):format(port)).body)
    local res = http.get(("http://Bücher.test:%s/ü"):format(port))
    assert.are.equal(("http://xn--bcher-kva.test:%s/%%C3%%BC"):format(port), res.url)
    http.close()
  end)

  it("goes to a public address alone, where that is asked for", function()
    for _, name in ipairs {
      "good.test", "private.test", "metadata.test", "mapped.test", "both.test", "bücher.test",
    } do
      local ok, e = pcall(http.get, ("http://%s:9/"):format(name), { only_public = true })
      assert.is_true(not ok and errors.is(e, "refused"), tostring(e))
    end
    -- the way in is a redirection, or a proxy's name
    local server <close> = raw_server.start(function()
      return raw_server.answer("", "302 Found", "Location: http://private.test:9/\r\n")
    end)
    local ok, e = pcall(http.get, "http://first.test:" .. server.port, {
      only_public = true, resolve = { ["first.test:" .. server.port] = "127.0.0.1" },
    })
    assert.is_true(not ok and errors.is(e, "refused"), tostring(e))
  end)

  it("looks the name of a proxy up, and a name for SOCKS 5", function()
    local proxy <close> = raw_server.start(function(request)
      return raw_server.answer(request.target)
    end)
    local by = { proxy = "good.test:" .. proxy.port }
    local page = "http://only.the.proxy.knows/"
    assert.are.equal(page, http.get(page, by).body)
    http.close()
    local ok, e = pcall(http.get, "http://a.example", { proxy = "http://none.test:1" })
    assert.is_true(not ok and errors.is(e, "dns"))
    assert.is_truthy(tostring(e):find("check the proxy's name", 1, true))
    by = { proxy = "http://dead9.test:1", connect_timeout = 0.2 }
    ok, e = pcall(http.get, "http://a.example", by)
    assert.is_true(not ok and errors.is(e, "timeout"))
    ok, e = pcall(http.get, "http://none.test", { proxy = "socks5://good.test:1" })
    assert.is_true(not ok and errors.is(e, "dns"))
    assert.is_truthy(tostring(e):find("check the host's name", 1, true))
    http.close()
  end)

  it("fails with kind dns", function()
    local ok, e = pcall(http.get, "http://none.test/")
    assert.is_true(not ok and errors.is(e, "dns"))
    ok, e = pcall(http.get, "http://dead.test/")
    assert.is_true(not ok and errors.is(e, "dns"))
    assert.is_truthy(tostring(e):find("the DNS servers gave no answer", 1, true))
  end)

  it("counts the look-up in connect_timeout", function()
    local ok, e = pcall(http.get, "http://dead9.test/", { connect_timeout = 0.2 })
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"), tostring(e))
    assert.is_truthy(tostring(e):find("looking the host's name up", 1, true), tostring(e))
    ok, e = pcall(http.get, "http://dead9.test/", { timeout = 0.2 })
    assert.is_true(not ok and errors.is(e, "timeout"), tostring(e))
    http.close()
  end)

  it("can be cancelled while its name is looked up", function()
    local client <close> = http.client { limit = 1 }
    local t = task.spawn(client.get, client, "http://dead9.test/")
    task.sleep(0.05)
    t:cancel()
    assert.is_true(errors.is(select(2, t:result()), "cancelled"))
    local closed = http.client()
    t = task.spawn(closed.get, closed, "http://dead9.test/")
    task.sleep(0.05)
    closed:close()
    assert.is_true(errors.is(select(2, t:result()), "aborted"))
    local server <close> = raw_server.start(function() return raw_server.answer "ok" end)
    assert.are.equal("ok", client:get(server.url).body)
  end)
end)
