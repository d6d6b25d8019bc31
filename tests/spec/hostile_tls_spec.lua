-- TLS that is old, wrong, forged or cut: tests/support/hostile/tls.py.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"

describe("on hostile TLS", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local rows = {}
  local function row(behaviour, what, fields)
    fields[1], fields[2], fields.tls = behaviour, what, "raw"
    rows[#rows + 1] = fields
  end

  for _, name in ipairs { "expired", "another_host", "self_signed" } do
    row("tls_certificate", name, { args = { name = name }, kind = "tls" })
    row("tls_certificate", name .. ", which verify=false accepts", { args = { name = name },
      opts = { verify = false }, body = "ok" })
  end
  row("tls_version", "TLS 1.1", { args = { most = "TLSv1_1" }, kind = "tls" })
  row("tls_version", "TLS 1.0", { args = { most = "TLSv1" }, kind = "tls" })
  row("tls_version", "TLS 1.2", { args = { most = "TLSv1_2" }, body = "ok" })
  row("tls_cipher", "none in common", { args = { cipher = "NULL:@SECLEVEL=0" }, kind = "tls" })
  row("tls_cipher", "one in common", { args = { cipher = "ECDHE-ECDSA-AES256-GCM-SHA384" },
    body = "ok" })
  row("tls_wants_certificate", "of a client that has none", { kind = { "tls", "aborted" } })
  for _, what in ipairs { "plain HTTP", "garbage", "a fatal alert", "an alert: unknown name",
    "a record longer than allowed", "data before the handshake",
    "the client's own words", "SSH" } do
    row("tls_bytes", what, { args = { what = what }, kind = "tls" })
  end
  for _, what in ipairs { "nothing", "half a record", "an empty record" } do
    row("tls_bytes", what .. ", and silence", { args = { what = what },
      opts = { connect_timeout = 0.5 }, kind = "timeout" })
    row("tls_bytes", what .. ", and the end", { args = { what = what, how = "finish" },
      kind = "tls" })
    row("tls_bytes", what .. ", and RST", { args = { what = what, how = "reset" },
      kind = { "tls", "aborted" } })
  end
  row("tls_warnings", "without end", { kind = "tls" })
  row("tls_truncated", "a body without a length, ended properly", { args = { notify = true },
    body = "half of the body" })
  row("tls_truncated", "a body that is too short", { args = { head = "Content-Length: 99\r\n" },
    kind = "aborted" })
  row("tls_truncated", "a body that is too short, ended properly", {
    args = { head = "Content-Length: 99\r\n", notify = true }, kind = "aborted" })
  row("tls_truncated", "a chunk that is too short, ended properly", {
    args = { head = "Transfer-Encoding: chunked\r\n\r\n99", notify = true },
    kind = { "aborted", "protocol" } })
  for _, what in ipairs { "data", "an alert", "no record" } do
    row("tls_forged", what, { args = { what = what }, kind = { "tls", "aborted" } })
  end
  hostile.rows(function() return server end, rows)

  it("tls_cut: the handshake ends at each place", function()
    local client <close> = http.client { ca = server.ca, timeout = 20 }
    for _, how in ipairs { "finish", "reset" } do
      for at = 0, 400, 37 do
        local port <close> = server:open("tls_cut", { tls = "raw", args = { at = at, how = how } })
        local ok, e = pcall(client.get, client, port.url)
        assert.is_false(ok)
        local expected = { tls = true, aborted = true, connect = how == "reset" }
        assert.is_true(errors.is(e, e.kind) and expected[e.kind], tostring(e))
      end
    end
  end)

  -- Nothing tells whether such a body is whole, and some servers end all of theirs so: newer
  -- versions of libcurl refuse it, older ones take it.
  it("tls_truncated: a body without a length", function()
    local port <close> = server:open("tls_truncated", { tls = "raw" })
    local client <close> = http.client { ca = server.ca, timeout = 20 }
    local ok, res = pcall(client.get, client, port.url)
    if ok then assert.are.equal("half of the body", res.body)
    else assert.are.equal("aborted", res.kind) end
  end)
end)
