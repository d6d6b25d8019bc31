-- internal.net.tls: TLS for the clients of luapool's own protocols: what their option `tls` may
-- say, and the handshake. The server is verified unless the user says otherwise. A client makes one
-- context, which its connections share; OpenSSL is set up when the first one is made.
--@whole

local errors = require "luapool.error.core"
local options = require "luapool.internal.options"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local M = {}

---@within redis
---@class luapool.redis.TLSOptions
---@field verify? boolean false accepts any certificate
---@field ca? string the file of the authorities that are trusted, in place of the system's
---@field cert? string the file of the client's certificate, in PEM; the chain may follow in it
---@field key? string the file of its key; unless said, the key is in the file `cert`
---@field key_password? string of the file `key`
---@field server_name? string which name, or address, the certificate must be for, in place of
--- the host that is connected to
---@field min? "1.2"|"1.3" the lowest version; "1.2" unless said
---@field ciphers? string those that may be used up to TLS 1.2, as OpenSSL lists them

local spec = {
  verify = "boolean", ca = "string", cert = "string", key = "string", key_password = "string",
  server_name = "string", min = { "1.2", "1.3" }, ciphers = "string",
}

local versions = { ["1.2"] = "tlsv1_2", ["1.3"] = "tlsv1_3" }

local function must(where, ok, message)
  if not ok then errors.raise("tls", ("%s: option 'tls': %s"):format(where, message)) end
end

--- Makes what connections share. Raises kind `tls` when a file cannot be used.
---@param where string the function that the user calls
---@param opts luapool.redis.TLSOptions
---@return table tls for `M.wrap`
function M.new(where, opts)
  local problem = options.problem(opts, spec, "field")
  if problem then usage.raise(where, "option 'tls': %s", problem) end
  if opts.key and not opts.cert then
    usage.raise(where, "option 'tls': 'key' is without its 'cert'")
  end
  for name, value in pairs(opts) do
    if type(value) == "string" and (value == "" or value:find "%z") then
      usage.raise(where, "option 'tls': '%s' is empty or has a zero byte", name)
    end
  end
  require "luapool.socket.core" -- makes the classes of sockets
  local core = require "luapool.tls.core"
  local context, message = core.context("any", "client")
  must(where, context, message)
  must(where, context:min_version(versions[opts.min or "1.2"]))
  if opts.ciphers then must(where, context:ciphers(opts.ciphers)) end
  if opts.cert then
    must(where, context:certificate(opts.cert))
    must(where, context:key(opts.key or opts.cert, opts.key_password))
    must(where, context:checkkey(), "the key does not belong to the certificate")
  end
  if opts.verify ~= false then
    must(where, context:locations(opts.ca))
    must(where, context:verify "peer")
  end
  return { core = core, context = context, name = opts.server_name, verify = opts.verify ~= false }
end

local hints = {
  ["wrong version number"] = "does the server speak TLS there?",
  ["packet length too long"] = "does the server speak TLS there?",
  ["unexpected eof while reading"] = "the server has closed the connection",
}

-- A connection that ends may be made again; what OpenSSL finds wrong stays wrong.
local function refuse(place, message, detail)
  local kind, text = "tls", message
  if message == "timeout" then
    kind = "timeout"
  elseif not detail or message == "unexpected eof while reading" then
    kind = "connect"
  end
  local more = hints[message] or detail ~= message and detail
  if more and more ~= "" then text = ("%s (%s)"):format(text, more) end
  error(errors.new(kind, ("cannot connect to %s: TLS: %s"):format(place, text)), 0)
end

--- Puts TLS on a socket that is connected. Raises where that fails; then the socket is closed.
---@param tls table
---@param socket userdata
---@param place { host: string?, place: string }
---@param deadline number of task.now
---@return userdata
function M.wrap(tls, socket, place, deadline)
  local name = tls.name or place.host
  if not name and tls.verify then
    socket:close()
    refuse(place.place, "which name must its certificate be for? Say `server_name`", "")
  end
  local connection, message = tls.core.wrap(socket, tls.context)
  if not connection then
    socket:close()
    refuse(place.place, message)
  end
  if name then connection:sni(name) end
  connection:settimeout(math.max(0, deadline - task.now()), "t")
  local ok, detail
  ok, message, detail = connection:dohandshake()
  if ok then return connection end
  connection:close()
  refuse(place.place, message, detail)
end

return M
