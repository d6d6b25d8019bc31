-- internal.ssl: what `require "ssl"` gives: LuaSec's functions over luapool's sockets, whose calls
-- suspend only their task. LuaSec's own ssl/https.lua and libraries written for LuaSec stand on it;
-- results and error strings are those of LuaSec 1.2. What differs:
-- * a client that verifies its peer checks that the certificate is for the host given to `sni`,
--   unless `verifyext` has "lsec_continue";
-- * a client that verifies and names no authorities trusts those of the system;
-- * `alpn` and `dhparam` as functions: the first is not possible, the second is called once;
-- * there is no DANE.

require "luapool.socket.core" -- makes the classes of sockets
local core = require "luapool.tls.core"

local M = {
  _VERSION = "1.2.0",
  _COPYRIGHT = "LuaSec 1.2.0, over luapool's sockets",
  loadcertificate = core.loadcertificate,
}

--- What this LuaSec can do.
M.config = {
  protocols = core.protocols,
  options = core.options,
  algorithms = { ec = true },
  curves = {},
  capabilities = { alpn = true, curves_list = true, ecdh_auto = true },
}

-- ---- contexts ----

-- Calls a method with one name or a list of them.
local function with_names(context, method, list)
  if not list then return true end
  if type(list) ~= "table" then list = { list } end
  return context[method](context, table.unpack(list))
end

local function password_of(certificate)
  local password = certificate.password
  if type(password) == "function" then password = password() end
  if password == nil or type(password) == "string" then return true, password end
  return false, "invalid password type"
end

local function load_pair(context, pair)
  if pair.key then
    local ok, password = password_of(pair)
    if not ok then return nil, password end
    local loaded, message = context:key(pair.key, password)
    if not loaded then return nil, message end
  end
  if not pair.certificate then return true end
  local ok, message = context:certificate(pair.certificate)
  if not ok then return nil, message end
  if pair.key and not context:checkkey() then
    return nil, "private key does not match public key"
  end
  return true
end

local function load_pairs(context, cfg)
  for _, pair in ipairs(cfg.certificates or { cfg }) do
    local ok, message = load_pair(context, pair)
    if not ok then return nil, message end
  end
  return true
end

local function has(list, name)
  if type(list) ~= "table" then return list == name end
  for _, one in ipairs(list) do
    if one == name then return true end
  end
  return false
end

local function load_authorities(context, cfg)
  if cfg.cafile or cfg.capath then return context:locations(cfg.cafile, cfg.capath) end
  -- A server must not take everybody who has a certificate of somebody.
  if cfg.mode == "client" and has(cfg.verify, "peer") then return context:locations() end
  return true
end

-- The protocols as they go over the wire.
local function wire_of(list)
  if type(list) == "function" then return nil, "functions for ALPN are not supported" end
  if type(list) == "string" then list = { list } end
  if type(list) ~= "table" then return nil, "invalid ALPN parameter" end
  local parts = {}
  for i, name in ipairs(list) do
    if type(name) ~= "string" then return nil, "invalid ALPN parameter" end
    if #name == 0 then return nil, "invalid ALPN name (empty string)" end
    if #name > 255 then return nil, "invalid ALPN name (length > 255)" end
    parts[i] = string.pack("s1", name)
  end
  if #parts == 0 then return nil, "invalid ALPN list (empty)" end
  return table.concat(parts)
end

local function set_alpn(context, cfg)
  if not cfg.alpn then return true end
  local wire, message = wire_of(cfg.alpn)
  if not wire then return nil, message end
  return context:alpn(wire)
end

local function set_dhparam(context, cfg)
  if not cfg.dhparam then return true end
  if type(cfg.dhparam) ~= "function" then return nil, "invalid DH parameter type" end
  local pem = cfg.dhparam(false, 2048)
  if type(pem) ~= "string" then return nil, "invalid DH parameters" end
  return context:dhparam(pem)
end

-- A step that gives the method of this name what stands in the field.
local function setting(method, field)
  return function(context, cfg)
    if not cfg[field] then return true end
    return context[method](context, cfg[field])
  end
end

-- The same for a field with one name or a list of them.
local function names(method)
  return function(context, cfg) return with_names(context, method, cfg[method]) end
end

local function set_curves(context, cfg)
  local curves = cfg.curveslist or cfg.curve
  if not curves then return true end
  return context:curves(curves)
end

-- One after the other; the first that fails ends it.
local steps = {
  load_pairs, load_authorities, setting("ciphers", "ciphers"),
  setting("ciphersuites", "ciphersuites"), names "verify", names "options",
  setting("depth", "depth"), set_dhparam, set_curves, names "verifyext", set_alpn,
}

--- Makes what connections have in common.
---@param cfg table LuaSec's fields: mode, protocol, certificate, key, cafile, verify, …
---@return userdata|nil context, string? message
function M.newcontext(cfg)
  local context, message = core.context(cfg.protocol, cfg.mode)
  if not context then return nil, message end
  for _, step in ipairs(steps) do
    local ok
    ok, message = step(context, cfg)
    if not ok then return nil, message end
  end
  return context
end

-- ---- connections ----

--- Makes a connection of a client of TCP, which has no descriptor from then on.
---@param sock userdata
---@param cfg table|userdata as for newcontext, or what that has returned
---@return userdata|nil connection, string? message
function M.wrap(sock, cfg)
  if type(cfg) ~= "table" then return core.wrap(sock, cfg, true) end
  local context, message = M.newcontext(cfg)
  if not context then return nil, message end
  return core.wrap(sock, context, true)
end

local PATTERN = "^(%S+)%s+(%S+)%s+Kx=(%S+)%s+Au=(%S+)%s+Enc=(%S+)%s+Mac=(%S+)"

--- What was agreed on: cipher, protocol, bits, … ; or one field of it.
---@param field? string
---@return table|any
function core.methods:info(field)
  local description, bits, algbits, protocol = self:cipher()
  local info = {}
  if description then
    local words = { description:match(PATTERN) }
    for i, name in ipairs { "cipher", "protocol", "key", "authentication", "encryption", "mac" } do
      info[name] = words[i]
    end
    info.bits, info.algbits, info.protocol = bits, algbits, protocol
    info.export = false
  end
  if field then return info[field] end
  return next(info) and info
end

return M
