-- Shows a page behind a form: the client keeps the cookies of the session, and the form is sent
-- back as a browser does it, with its hidden fields, of which one proves that we have read it (a
-- CSRF token).
--
--     NAME=ann PASSWORD=... luapool run login.lua -- https://example.com/login

local http = require "luapool.http"

local url = ... or error("luapool run login.lua -- URL", 0)

local client <close> = http.client { cookies = true }

local form = client:get(url):raise_for_status():html():form()
form:set("user", os.getenv "NAME")
form:set("password", os.getenv "PASSWORD")
local account = form:submit(client):raise_for_status()

-- The answer redirects to the account; from now on every request of this client is logged in.
local page = account:html()
print(account.url:match "[^/]*$", page:first("h1"):text())
for _, order in ipairs(page:first("#orders"):table { header = true }) do
  print(order.No, order.Sum)
end
