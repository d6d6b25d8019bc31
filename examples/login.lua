-- Shows a page behind a form: the client keeps the cookies of the session, and the form is sent
-- back with its hidden fields, of which one proves that we have read it (a CSRF token).
--
--     NAME=ann PASSWORD=... luapool run login.lua -- https://example.com/login

local http = require "luapool.http"

local url = ... or error("luapool run login.lua -- URL", 0)

local client <close> = http.client { cookies = true }

local page = client:get(url):raise_for_status():html()
local fields = { user = os.getenv "NAME", password = os.getenv "PASSWORD" }
for _, input in ipairs(page:css "form input[type=hidden]") do
  fields[input:attr "name"] = input:attr "value"
end
local action = page:resolve(page:first("form"):attr "action" or url)
local account = client:post(action, { form = fields }):raise_for_status()

-- The answer redirects to the account; from now on every request of this client is logged in.
print(account.url:match "[^/]*$", account:html():first("h1"):text())
for _, row in ipairs(account:html():css "#orders tr") do
  local cells = {}
  for i, cell in ipairs(row:css "td") do cells[i] = cell:text() end
  if cells[1] then print(table.concat(cells, "\t")) end
end
