-- The benchmark's client: http_client.lua URL N C [ca=FILE] [fresh] [h2] [hosts=N] [insecure]: N
-- requests by C tasks; the words are those of http_floor.c.

local http = require "luapool.http"
local task = require "luapool.task"

local url, n, c = ...
local words = {}
for _, word in ipairs { select(4, ...) } do
  local name, value = word:match("^(%w+)=?(.*)$")
  words[name] = value
end

-- The same URL at each of the addresses on which `tests/support/nginx -a` listens.
local urls, hosts = { url }, tonumber(words.hosts)
for i = 0, (hosts or 0) - 1 do
  urls[i + 1] = url:gsub("127%.0%.0%.1", ("127.1.%d.%d"):format(i // 250, i % 250 + 1))
end

-- The functions of the module are what most scripts use; options make a request dearer.
local get = http.get
if next(words) and not words.fresh then
  local client = http.client {
    limit = tonumber(c), ca = words.ca, http_version = words.h2 and "2" or nil,
    verify = not words.insecure, cookies = false,
  }
  get = function(to) return client:get(to) end
elseif tonumber(c) > 100 then
  local client = http.client { limit = tonumber(c), cookies = false }
  get = function(to) return client:get(to) end
end
local opts = words.fresh and { ca = words.ca } or nil

local started, total = 0, tonumber(n)
local function run()
  while started < total do
    started = started + 1
    local res = get(urls[(started - 1) % #urls + 1], opts)
    assert(res.status == 200 and #res.body > 0)
  end
end

local tasks = {}
for i = 1, tonumber(c) do tasks[i] = run end
task.gather(tasks)
