-- Shows a JSON API read page by page: a token, no more requests a second than it allows, and an
-- answer 429 waited for as the server asks. The items go to stdout as CSV.
--
--     TOKEN=... luapool run json_api.lua -- https://api.example.com/items?page=1

local csv = require "luapool.csv"
local http = require "luapool.http"

local url = ... or error("luapool run json_api.lua -- URL", 0)

local client <close> = http.client {
  base_url = url:match "^%a+://[^/]+",
  headers = { accept = "application/json" },
  rate = { per_host = 10 }, -- requests a second
  retry = { attempts = 5 }, -- of 429, 503 and lost connections; Retry-After is honoured
}
local token = os.getenv "TOKEN"

-- All items, page after page: each page names the one behind it.
local function items()
  return coroutine.wrap(function()
    local page = { next = url }
    while type(page.next) == "string" do -- the last one has null
      page = client:get(page.next, { bearer = token }):raise_for_status():json()
      for _, item in ipairs(page.items) do coroutine.yield(item) end
    end
  end)
end

local writer <close> = csv.writer("/dev/stdout", { columns = { "id", "name", "price" } })
for item in items() do writer:write(item) end
