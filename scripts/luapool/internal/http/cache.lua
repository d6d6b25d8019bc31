-- internal.http.cache: answers that are kept in a folder and used again, as RFC 9111 says for a
-- private cache (internal/http/freshness.lua). It stands below redirections: each hop of a chain
-- is an answer of its own.
--
-- A URL has one file: a line of JSON, then the body. Files are written beside their name and
-- renamed, so that several processes may use one folder: the last one that writes wins. What
-- cannot be read is as good as absent, and what cannot be written is only missed.

local core = require "luapool.http.core"
local digest = require "luapool.digest"
local errors = require "luapool.error"
local freshness = require "luapool.internal.http.freshness"
local fs = require "luapool.fs"
local json = require "luapool.json"
local log = require "luapool.log"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- A folder of answers: see `http.cache`.
---@within http
---@class luapool.http.Cache
---@field package folder string
---@field package max_size integer
---@field package written integer bytes since the folder was last tidied
---@field package counts luapool.http.CacheStats
local Cache = { __name = "luapool.http.Cache" }
Cache.__index = Cache

---@within http
---@class luapool.http.CacheStats
---@field hits integer answers that were used without asking the server
---@field revalidated integer answers that the server said still hold
---@field misses integer answers that came from the server
---@field stored integer answers that were written to the folder

-- --- what is known of a request ---

-- The headers of a request as the server sees them: lower-case name -> value. Only those that a
-- plan may hold are known; others that luapool adds are the same for all requests.
local function request_headers(plan)
  local headers = {}
  for _, line in ipairs(plan.headers) do
    local name, value = line:match "^([^:;]+)[:;]%s*(.*)$"
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  local secret = plan.bearer or plan.user and plan.user .. ":" .. (plan.password or "")
  headers.authorization = headers.authorization or secret
  headers.cookie = headers.cookie or plan.cookies
  return headers
end

-- What the answer depends on, beside the URL: a digest for each header. Who asks always counts,
-- since one user's answers are not another's.
local function selection(names, request)
  local chosen = {}
  for name in ("authorization," .. (names or "")):gmatch "[^,%s]+" do
    name = name:lower()
    chosen[name] = digest.sha256(request[name] or "")
  end
  return chosen
end

local function is_selected(entry, request)
  for name, value in pairs(entry.selected) do
    if digest.sha256(request[name] or "") ~= value then return false end
  end
  return true
end

local CONDITIONAL = { "if-none-match", "if-modified-since", "if-match", "if-range",
  "if-unmodified-since", "range" }

-- A request that the cache has no part in: its caller asks conditions of his own, sends a body, or
-- takes that of the answer elsewhere.
local function passes(plan, request, wanted)
  if plan.stream or plan.save_to or plan.range or wanted["no-store"] then return true end
  if plan.body or plan.multipart or plan.feed or plan.file then return true end
  for _, name in ipairs(CONDITIONAL) do
    if request[name] then return true end
  end
  return false
end

-- --- files ---

local function paths(self, url)
  local name = digest.sha256(url)
  local folder = self.folder .. "/" .. name:sub(1, 2)
  return folder .. "/" .. name:sub(3), folder
end

-- Is this what `store` has written, and of this URL?
local function is_entry(entry, url)
  return type(entry) == "table" and entry.url == url and type(entry.head) == "string"
    and math.type(entry.status) == "integer" and type(entry.asked) == "number"
    and type(entry.received) == "number" and type(entry.selected) == "table"
end

-- The stored answer to a request, or nil.
local function load(self, url, request)
  local ok, bytes = pcall(fs.read, (paths(self, url)))
  if not ok then
    if errors.is(bytes, "fs") then return nil end
    error(bytes, 0)
  end
  local line, body = bytes:match "^([^\n]*)\n(.*)$"
  local read, entry = pcall(json.decode, line or "")
  if not read or not is_entry(entry, url) or not is_selected(entry, request) then return nil end
  entry.body = body
  return entry
end

local function forget(self, url)
  pcall(fs.remove, (paths(self, url)))
end

-- All files of the folder: path, time, size.
local function files(self)
  local found = {}
  for _, name in ipairs(fs.list(self.folder)) do
    local folder = self.folder .. "/" .. name
    local listed, names = pcall(fs.list, #name == 2 and folder or "")
    for _, file in ipairs(listed and names or {}) do
      local path = folder .. "/" .. file
      local there, stat = pcall(fs.stat, path)
      if there then found[#found + 1] = { path = path, mtime = stat.mtime, size = stat.size } end
    end
  end
  return found
end

-- Removes the oldest answers until nine tenths of max_size are left.
local function tidy(self)
  self.written = 0
  local all, size = files(self), 0
  for _, file in ipairs(all) do size = size + file.size end
  if size <= self.max_size then return end
  table.sort(all, function(a, b) return a.mtime < b.mtime end)
  for _, file in ipairs(all) do
    if size <= self.max_size * 9 // 10 then break end
    if pcall(fs.remove, file.path) then size = size - file.size end
  end
end

-- Writes beside the name and renames, and tidies up when much was written.
local function write(self, path, folder, bytes)
  local temporary = path .. "." .. digest.uuid()
  fs.mkdir(folder, { parents = true })
  fs.write(temporary, bytes)
  fs.rename(temporary, path)
  self.written = self.written + #bytes
  if self.written > self.max_size // 16 then tidy(self) end
end

local function store(self, entry)
  local body = entry.body
  entry.body = nil
  local bytes = json.encode(entry) .. "\n" .. body
  entry.body = body
  if #bytes > self.max_size // 8 then return forget(self, entry.url) end
  local path, folder = paths(self, entry.url)
  local ok, e = pcall(write, self, path, folder, bytes)
  if ok then
    self.counts.stored = self.counts.stored + 1
  elseif errors.is(e, "fs") then
    log.warn("http.cache: an answer is not kept: %s", e)
  else
    error(e, 0)
  end
end

-- --- exchanges ---

local REDIRECTIONS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- The response of a stored answer, and whether it is a redirection that is to be followed.
local function response_of(entry, plan, elapsed)
  local res = setmetatable({ status = entry.status, head = entry.head, url = entry.url,
    body = entry.body, elapsed = elapsed, cached = true }, core.Response)
  local follows = REDIRECTIONS[entry.status] and res.headers["location"] and plan.redirects ~= 0
  return res, follows or false
end

local function headers_of(entry)
  return setmetatable({ head = entry.head }, core.Response).headers
end

local function count(self, what)
  self.counts[what] = self.counts[what] + 1
end

-- A plan that asks whether the stored answer still holds.
local function asking(plan, entry)
  local lines = freshness.conditions(headers_of(entry))
  if #lines == 0 then return plan end
  local copy = {}
  for name, value in pairs(plan) do copy[name] = value end
  copy.headers = table.move(plan.headers, 1, #plan.headers, 1, {})
  table.move(lines, 1, #lines, #copy.headers + 1, copy.headers)
  return copy
end

-- Asks the server, with the stored answer at hand if there is one.
local function ask(self, send, client, url, plan, request, entry)
  local asked = os.time()
  local res, follows = send(client, "GET", url, entry and asking(plan, entry) or plan)
  local received = os.time()
  if entry and res.status == 304 then
    count(self, "revalidated")
    entry.head, entry.asked, entry.received = freshness.merge(entry.head, res.head), asked, received
    store(self, entry)
    return response_of(entry, plan, res.elapsed)
  end
  count(self, "misses")
  if res.body and freshness.storable(res.status, res.headers) then
    store(self, { url = url, status = res.status, head = res.head, asked = asked,
      received = received, selected = selection(res.headers["vary"], request), body = res.body })
  elseif entry then
    forget(self, url)
  end
  return res, follows
end

local function refuse(url)
  error(errors.new("not_cached", ("GET %s: no answer is stored, and only_if_cached forbids to ask")
    :format(url), { url = url }), 0)
end

--- Makes a request, or answers it out of the folder. What changes a resource makes its stored
--- answer invalid.
---@param send fun(client, method, url, plan): luapool.http.Response, boolean?
---@param client userdata
---@param method string
---@param url string
---@param plan table
---@return luapool.http.Response, boolean?
---@package
function Cache:exchange(send, client, method, url, plan)
  local request = request_headers(plan)
  local wanted = freshness.directives(request["cache-control"])
  if method ~= "GET" or passes(plan, request, wanted) then
    local res, follows = send(client, method, url, plan)
    local safe = method == "GET" or method == "HEAD" or method == "OPTIONS"
    if not safe and res.status < 400 then forget(self, url:match "^[^#]*") end
    return res, follows
  end
  url = url:match "^[^#]*"
  local entry = load(self, url, request)
  local usable = entry and not plan.refresh and (plan.only_if_cached
    or freshness.is_fresh(headers_of(entry), entry.asked, entry.received, os.time(), wanted))
  if usable then
    count(self, "hits")
    return response_of(entry, plan, 0)
  end
  if plan.only_if_cached then refuse(url) end
  return ask(self, send, client, url, plan, request, not plan.refresh and entry or nil)
end

--- Removes all answers from the folder.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local cache = http.cache(dir.path)
--- cache:clear()
--- ```
---@async
function Cache:clear()
  usage.self(self, Cache, "Cache:clear")
  for _, file in ipairs(files(self)) do pcall(fs.remove, file.path) end
end

--- Counts what became of the requests through this cache.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- print(http.cache(dir.path):stats().hits) --> 0
--- ```
---@return luapool.http.CacheStats
function Cache:stats()
  usage.self(self, Cache, "Cache:stats")
  local copy = {}
  for name, n in pairs(self.counts) do copy[name] = n end
  return copy
end

local check = options.define("http.cache", { max_size = "size" })

local M = { class = Cache }

---@within http
---@class luapool.http.CacheOptions
---@field max_size? number|string bytes of all answers; beyond it the oldest go; default "1G"

--- See `http.cache`.
---@param folder string
---@param opts? luapool.http.CacheOptions
---@return luapool.http.Cache
function M.open(folder, opts)
  usage.argument("http.cache", 1, folder, "string")
  opts = check(opts)
  fs.mkdir(folder, { parents = true })
  local counts = { hits = 0, revalidated = 0, misses = 0, stored = 0 }
  local size = options.size(opts.max_size or "1G")
  return setmetatable({ folder = folder, max_size = size, written = 0, counts = counts }, Cache)
end

return M
