-- internal.html.submission: what a form sends, and how: a method, an address, the options of a
-- request.

local core = require "luapool.html.core"
local number = require "luapool.internal.number"
local usage = require "luapool.internal.usage"

local M = {}

local URLENCODED, MULTIPART <const> = "application/x-www-form-urlencoded", "multipart/form-data"

--- "text", "checkbox", "submit", "select" and so on.
---@param node luapool.html.Node
---@return string
function M.kind_of(node)
  local name = node:name()
  if name == "input" then return (node:attr "type" or "text"):lower() end
  if name == "button" then return (node:attr "type" or "submit"):lower() end
  return name
end

---@param text? string the attribute
---@return "GET"|"POST"
function M.method_of(text) return (text or ""):upper() == "POST" and "POST" or "GET" end

--- Where a form is sent to. An empty action is the page itself, whatever its base is.
---@param node luapool.html.Node
---@param text? string the attribute
---@return string
function M.action_of(node, text)
  text = core.trim(text or "")
  if text ~= "" then return node:resolve(text) end
  return ((core.base_url(node) or ""):gsub("#.*", ""))
end

---@param text? string the attribute
---@return string
function M.enctype_of(text)
  text = (text or ""):lower()
  return (text == MULTIPART or text == "text/plain") and text or URLENCODED
end

---@param value any
---@return boolean
function M.is_file(value)
  return type(value) == "table" and (value.file or value.data or value.body) ~= nil
end

local function named(button, what)
  return button:attr "name" == what or button:attr "id" == what or button:attr "value" == what
    or button:text { trim = true } == what
end

-- The button that is pressed: the first unless the user says which, or false for none.
local function pressed(form, button, where)
  if button == false then return nil end
  if button == nil then return form.buttons[1] end
  for _, one in ipairs(form.buttons) do
    if one == button or type(button) == "string" and named(one, button) then return one end
  end
  usage.raise(where, "no button %s", usage.describe(button))
end

local function add_button(entries, button)
  if not button then return end
  local name = button:attr "name"
  if M.kind_of(button) == "image" then
    local prefix = name and name ~= "" and name .. "." or ""
    entries[#entries + 1] = { prefix .. "x", "0" }
    entries[#entries + 1] = { prefix .. "y", "0" }
  elseif name and name ~= "" then
    entries[#entries + 1] = { name, button:attr "value" or "" }
  end
end

local function add_field(entries, name, value, where)
  if value == nil then return end
  local list = type(value) == "table" and not M.is_file(value) and value or { value }
  for _, one in ipairs(list) do
    local plain = type(one) == "string" or type(one) == "boolean" or math.type(one)
    if not plain and not M.is_file(one) then
      usage.raise(where, "field '%s': a text or a file expected, got %s", tostring(name),
        usage.describe(one))
    end
    entries[#entries + 1] = { name, plain and number.tostring(one) or one }
  end
end

-- Names and values: the fields of the page in its order, then those that the user has added.
local function entries_of(form, button, where)
  local entries, added = {}, {}
  for _, name in ipairs(form.names) do add_field(entries, name, form.fields[name], where) end
  for name in pairs(form.fields) do
    if type(name) ~= "string" then
      usage.raise(where, "names of fields are strings, got %s", usage.describe(name))
    end
    if not form.atoms[name] then added[#added + 1] = name end
  end
  table.sort(added)
  for _, name in ipairs(added) do add_field(entries, name, form.fields[name], where) end
  add_button(entries, button)
  for _, entry in ipairs(entries) do -- line ends of forms are CR LF
    if type(entry[2]) == "string" then
      entry[2] = entry[2]:gsub("\r\n?", "\n"):gsub("\n", "\r\n")
    end
  end
  return entries
end

local function escape(text)
  return (text:gsub("[^0-9A-Za-z*%-._ ]", function(c) return ("%%%02X"):format(c:byte()) end)
    :gsub(" ", "+"))
end

local function joined(entries, where, between, line)
  local parts = {}
  for i, entry in ipairs(entries) do
    if M.is_file(entry[2]) then
      usage.raise(where, "field '%s': the form takes no files (its enctype is not %s)",
        entry[1], MULTIPART)
    end
    parts[i] = line(entry[1], entry[2])
  end
  return table.concat(parts, between)
end

local function urlencoded(entries, where)
  return joined(entries, where, "&", function(name, value)
    return escape(name) .. "=" .. escape(value)
  end)
end

local function multipart(entries)
  local parts = {}
  for i, entry in ipairs(entries) do
    local part = { name = entry[1] }
    if M.is_file(entry[2]) then
      for key, value in pairs(entry[2]) do part[key] = value end
    else
      part.data = entry[2]
    end
    parts[i] = part
  end
  return parts
end

local function origin(address) return (address:match "^%a[%w+.-]*://[^/?#]*" or ""):lower() end

-- Browsers say where a form of the same site was found; some servers refuse forms without that.
local function set_headers(form, opts, address, content_type)
  local headers = {}
  local page = (core.base_url(form.node) or ""):gsub("#.*", "")
  if page ~= "" and origin(page) ~= "" and origin(page) == origin(address) then
    headers.Referer = page
  end
  headers["Content-Type"] = content_type
  for name, value in pairs(opts.headers or {}) do
    for own in pairs(headers) do
      if own:lower() == tostring(name):lower() then headers[own] = nil end
    end
    headers[name] = value
  end
  opts.headers = next(headers) and headers or nil
end

--- The method, the address and the options of the request.
---@param form luapool.html.Form
---@param button? string|luapool.html.Node|false
---@param opts? luapool.http.Options
---@param where string the call, for messages
---@return string method
---@return string address
---@return luapool.http.Options opts
function M.prepare(form, button, opts, where)
  local sent = {}
  for name, value in pairs(opts or {}) do sent[name] = value end
  button = pressed(form, button, where)
  local function said(name) return button and button:attr(name) end
  local address = said "formaction" and M.action_of(form.node, said "formaction") or form.action
  local method = said "formmethod" and M.method_of(said "formmethod") or form.method
  local enctype = said "formenctype" and M.enctype_of(said "formenctype") or form.enctype
  local entries = entries_of(form, button, where)
  if method == "GET" then
    address = address:gsub("[?#].*", "") .. "?" .. urlencoded(entries, where)
    enctype = nil
  elseif enctype == MULTIPART and #entries > 0 then
    sent.multipart, enctype = multipart(entries), nil
  elseif enctype == "text/plain" then
    sent.body = joined(entries, where, "", function(name, value)
      return name .. "=" .. value .. "\r\n"
    end)
  else
    sent.body, enctype = urlencoded(entries, where), URLENCODED
  end
  set_headers(form, sent, address, enctype)
  return method, address, sent
end

return M
