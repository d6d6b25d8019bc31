-- HTTP/2 by hand: tests/support/hostile/http2.py.

local hostile = require "tests.support.hostile"
local process = require "luapool.process"

describe("on hostile HTTP/2", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local rows = {}
  local function row(behaviour, what, fields)
    fields[1], fields[2], fields.tls = behaviour, what, "h2"
    fields.client = { http_version = "2", timeout = fields.timeout or 10 }
    rows[#rows + 1] = fields
  end
  local function frames(what, fields)
    fields.args = { which = what }
    row("h2_frames", what, fields)
  end

  row("h2_good", "a client and a server that get along", { times = 2, body = "ok" })
  for _, what in ipairs { "an unknown kind of frame", "padding", "a continuation", "trailers",
    "an informational answer" } do
    frames(what, { body = "ok" })
  end
  -- The rest breaks a rule; what curl tells of it is not always the same code. libcurl 8 tells the
  -- server that it is wrong and, when the whole request has been sent by then, waits for more.
  local waits = { "protocol", "aborted", "timeout" }
  local libcurl = process.exec { "pkg-config", "--modversion", "libcurl" }.stdout
  local broken = { kind = { "protocol", "aborted" } }
  if libcurl:find "^8" then broken = { kind = waits, timeout = 5 } end
  for _, what in ipairs {
    "data on stream 0", "header on stream 0", "header on an idle stream",
    "header on a stream of the server", "continuation out of nowhere",
    "data between header and continuation", "push", "no status", "two statuses",
    "a status of letters", "an unknown pseudo field", "a pseudo field behind others",
    "a status among trailers", "an index beyond the table", "index 0", "an endless integer",
    "a string longer than its block", "broken Huffman code", "a table larger than allowed",
    "a frame beyond the allowed size", "a window of 0",
    "a window beyond 2^31", "settings with a payload and ACK", "settings of an odd length",
    "settings on a stream", "settings with a huge window", "settings with tiny frames",
    "ping of an odd length", "ping on a stream", "goaway of an odd length",
    "a reset of an odd length", "a reset of stream 0", "garbage",
    "a length that is longer than the body", "a length that is shorter than the body",
    "two lengths", "a priority on itself", "a name in capitals", "a name with a colon",
    "a value with a line end", "a header of the connection",
  } do
    frames(what, { kind = broken.kind, timeout = broken.timeout })
  end

  -- Some versions of libcurl wait on.
  frames("padding longer than the frame", { timeout = 0.5, kind = waits })
  frames("HTTP/1.1", { timeout = 0.5, kind = waits })
  frames("data without a header", { timeout = 0.5, kind = waits })

  row("h2_goaway", "in place of an answer", { kind = "aborted" })
  row("h2_goaway", "for an error", { args = { code = 2 }, kind = "aborted" })
  row("h2_goaway", "though the request may have been seen", { args = { last = 1 },
    kind = "timeout", timeout = 0.5 })
  row("h2_goaway_inside", "in a body that comes to its end", { body = "ok" })
  for code, name in pairs { [1] = "PROTOCOL_ERROR", [2] = "INTERNAL_ERROR", [7] = "REFUSED_STREAM",
    [8] = "CANCEL" } do
    row("h2_reset", "in place of an answer: " .. name, { args = { code = code }, kind = "aborted" })
    row("h2_reset", "in the body: " .. name, { args = { code = code, inside = true },
      kind = "aborted" })
  end
  row("h2_reset", "in place of an answer: HTTP_1_1_REQUIRED", { args = { code = 13 }, body = "ok" })
  row("h2_cut", "in the middle of a frame", { kind = "aborted" })
  row("h2_cut", "between two frames", { args = { inside = "body" }, kind = "aborted" })
  for _, after in ipairs { "preface", "request", "header" } do
    row("h2_silent", "after the " .. after, { args = { after = after }, timeout = 0.5,
      kind = "timeout" })
  end
  row("h2_no_settings", "an answer without a preface", { kind = waits, timeout = 3 })
  row("h2_bomb", "16 MB of header in 20 KB", { kind = { "too_large", "protocol", "aborted" } })
  for _, which in ipairs { "ping", "settings", "informational", "priority", "unknown" } do
    row("h2_flood", "100 times " .. which, { args = { which = which, n = 100 }, body = "ok" })
  end
  for _, which in ipairs { "ping", "settings", "empty data", "empty continuation", "continuation",
    "informational", "priority", "unknown", "header" } do
    row("h2_flood", "endless " .. which, { args = { which = which }, timeout = 0.5, within = 10,
      kind = { "timeout", "too_large", "protocol", "aborted" } })
  end

  hostile.rows(function() return server end, rows)
end)
