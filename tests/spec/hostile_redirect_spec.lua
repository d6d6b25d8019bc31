-- Redirections to anywhere, and cookies for anybody: what a client must not follow, wait for or
-- believe.

local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local task = require "luapool.task"

describe("of hostile redirections", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local rows = {}
  local function row(what, answer, fields)
    fields[1], fields[2], fields.args = "always", what, { answer = answer }
    rows[#rows + 1] = fields
  end
  local function to(location, fields)
    local what = location:gsub("[^%g ]", "?"):sub(1, 60)
    row("to " .. what, ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n")
      :format(location), fields)
  end

  for _, location in ipairs {
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/_x", "dict://127.0.0.1/",
    "ldap://127.0.0.1/", "smb://127.0.0.1/", "telnet://127.0.0.1/", "scp://127.0.0.1/",
    "javascript:alert(1)", "data:text/plain,x", "mailto:a@b", "about:blank", "ws://127.0.0.1/",
    "FILE:/etc/passwd", "blob:x", "view-source:http://127.0.0.1/", "http+unix://x/",
  } do
    to(location, { kind = "protocol" })
  end
  for _, location in ipairs {
    "http://", "http:///", "http://:80/", "http://[::1/", "http://[zz]/", "http://a b/",
    "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:x/", "http://%00/",
    "http://a\tb/", "http://exa\1mple/", "http://[fe80::1%25lo0\0]/",
  } do
    to(location, { kind = { "protocol", "dns", "connect" } })
  end
  to("http://127.0.0.1:1/", { kind = "connect" })
  to("http://127.0.0.1:0/", { kind = { "connect", "protocol" } })
  to("//127.0.0.1:1/", { kind = "connect" })
  to("\\\\127.0.0.1:1\\", { kind = { "connect", "protocol", "redirects" } })
  to("/again", { kind = "redirects" })
  to("?again", { kind = "redirects" })
  to("#part", { kind = "redirects" })
  to("", { kind = "redirects" })
  to("/" .. ("x"):rep(200000), { kind = { "redirects", "too_large", "protocol" } })
  row("to a place of 9 MB", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /"
    .. ("x"):rep(9 << 20) .. "\r\n\r\n", { kind = "too_large", check = function(e)
      assert(#tostring(e) < 1000, "the message is long")
    end })
  row("nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nok", { status = 302, body = "ok" })
  for _, status in ipairs { 300, 304, 305, 306, 309, 399 } do
    local body = status == 304 and "" or "ok"
    row("of status " .. status, ("HTTP/1.1 %d X\r\nContent-Length: %d\r\nLocation: /x\r\n\r\n%s")
      :format(status, #body, body), { status = status, body = body })
  end
  row("to two places", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
    .. "Location: /a\r\nLocation: /b\r\n\r\n", { kind = "protocol" })
  hostile.rows(function() return server end, rows)

  -- What stands behind a redirection is thrown away, so nobody waits for it.
  for what, head in pairs {
    ["that never comes"] = "Content-Length: 1000\r\n",
    ["without a length"] = "",
    ["in chunks"] = "Transfer-Encoding: chunked\r\n",
  } do
    it("a body " .. what .. " delays no redirection", function()
      local good <close> = server:open "good"
      local at <close> = server:open("always", { args = { answer =
        ("HTTP/1.1 302 Found\r\n%sLocation: %s\r\n\r\n"):format(head, good.url) } })
      local client <close> = http.client { timeout = 20 }
      local began = task.now()
      assert.are.equal("ok", client:get(at.url).body)
      assert.is_true(task.now() - began < 10)
    end)
  end

  it("a chain over many ports is followed to its limit", function()
    local ports <close> = setmetatable({}, { __close = function(all)
      for _, at in ipairs(all) do at:close() end
    end })
    ports[1] = server:open "good"
    for i = 2, 13 do
      local answer = "HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
      ports[i] = server:open("always", { args = { answer = answer:format(ports[i - 1].url) } })
    end
    local client <close> = http.client()
    assert.are.equal("ok", client:get(ports[11].url).body)
    assert.are.equal(10, #client:get(ports[11].url).history)
    local ok, e = pcall(client.get, client, ports[12].url)
    assert.is_false(ok)
    assert.are.equal("redirects", e.kind)
    assert.are.equal("ok", client:get(ports[13].url, { redirects = 12 }).body)
  end)

  -- A client that has got a cookie must not send it elsewhere, or what another host has planted.
  it("cookies for other hosts are not believed", function()
    local lines = {}
    for i, cookie in ipairs {
      "a=1; Domain=example.com", "b=1; Domain=.com", "c=1; Domain=0.0.1", "d=1; Domain=1",
      "e=1; Domain=localhost", "f=1; Path=/elsewhere", "__Secure-g=1",
      "__Host-h=1; Domain=127.0.0.1", "i=1; Secure", "j=\1", "=l", ";",
      ("m=%s"):format(("x"):rep(10000)),
      "n=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "o=1; Max-Age=-1", "p=1; Max-Age=0",
    } do
      lines[i] = "Set-Cookie: " .. cookie .. "\r\n"
    end
    lines[#lines + 1] = "Set-Cookie: right=yes\r\n"
    local at <close> = server:open("always", { args = { answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" .. table.concat(lines) .. "\r\nok" } })
    local client <close> = http.client()
    client:get(at.url)
    client:get(at.url)
    local seen = {}
    for line in at:stats().received:gmatch "[Cc]ookie: ([^\r\n]*)" do
      for name in line:gmatch "([^=; ]+)=" do seen[name] = true end
    end
    seen.i = nil -- of a server on this machine curl takes it
    local names = {}
    for name in pairs(seen) do names[#names + 1] = name end
    assert.are.same({ "right" }, names)
  end)
end)
