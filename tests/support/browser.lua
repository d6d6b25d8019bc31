-- A real Chromium without a screen, for specs that look at pages: it is driven by chromedriver,
-- over the W3C's WebDriver protocol. Both end with this process.
--
--     local b <close> = browser.start()
--     b:view { width = 400, dark = true }
--     b:open(url)
--     b:click "#menu-button"; b:type("#search", "word\n"); b:text "h1"
--     b:run("return innerWidth")       JavaScript, its result as a Lua value
--     b:wait("return …")               until that is true, and returns it
--     b:faults()                       errors on the console since the last call

local fs = require "luapool.fs"
local http, json = require "luapool.http", require "luapool.json"
local servers = require "tests.support.server"
local task = require "luapool.task"

local M = {}

-- The keys of WebDriver, which stand in Unicode's private area.
M.keys = { enter = "\u{E007}", escape = "\u{E00C}", down = "\u{E015}", control = "\u{E009}" }

local ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
-- The driver gives a browser a minute to start, which a busy machine may need.
local TRIES = 5
local OPTIONS = { "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--no-first-run", "--disable-background-networking", "--hide-scrollbars" }

local function answers(self)
  local ok, res = pcall(self.client.get, self.client, self.url .. "/status", { timeout = 5 })
  return ok and res.status == 200
end

local Browser = servers.class("chromedriver", answers)

function Browser:ask(method, path, body)
  local url = self.url .. (self.session and "/session/" .. self.session or "") .. path
  local res = self.client:request(method, url, { json = body, timeout = 120 })
  local value = res:json().value
  if res.status == 200 then return value end
  error(("%s %s: %s"):format(method, path, value and value.message or res.status), 3)
end

--- Starts it. It is there when this returns.
function M.start()
  local dir, port = fs.tempdir(), servers.free_port()
  local self = setmetatable({
    folder = dir, dir = dir.path, client = http.client {}, url = "http://127.0.0.1:" .. port,
    command = { "env", "HOME=" .. dir.path, "chromedriver", "--port=" .. port,
      "--log-level=OFF" },
  }, Browser)
  self:start()
  local args = { "--user-data-dir=" .. dir.path .. "/profile", table.unpack(OPTIONS) }
  local capabilities = { alwaysMatch = { browserName = "chrome",
    ["goog:chromeOptions"] = { args = args }, ["goog:loggingPrefs"] = { browser = "SEVERE" } } }
  local made, session
  for _ = 1, TRIES do
    made, session = pcall(self.ask, self, "POST", "/session", { capabilities = capabilities })
    if made then break end
  end
  self.session = made and session.sessionId or error(session, 2)
  return self
end

--- Ends the browser and the driver. Safe twice.
function Browser:stop()
  if self.session then pcall(self.ask, self, "DELETE", "") end
  self.session = nil
  self.client:close()
  self:kill()
  self.folder:close()
end
Browser.__close = Browser.stop

--- A command of the DevTools protocol.
function Browser:devtools(command, params)
  return self:ask("POST", "/goog/cdp/execute", { cmd = command, params = params })
end

--- How wide the window is, in CSS pixels, and whether the system is dark.
---@param opts { width?: integer, height?: integer, dark?: boolean }
function Browser:view(opts)
  self:devtools("Emulation.setDeviceMetricsOverride", { width = opts.width or 1400,
    height = opts.height or 900, deviceScaleFactor = 1, mobile = false })
  self:devtools("Emulation.setEmulatedMedia", { features = {
    { name = "prefers-color-scheme", value = opts.dark and "dark" or "light" } } })
end

--- Opens a page; its scripts have run when this returns.
---@param url string
function Browser:open(url) self:ask("POST", "/url", { url = url }) end

---@param script string the body of a function
---@return any
function Browser:run(script, ...)
  return self:ask("POST", "/execute/sync", { script = script, args = json.array { ... } })
end

--- Runs a script again and again until it returns something true.
---@param script string
---@return any
function Browser:wait(script)
  while true do
    local value = self:run(script)
    if value and value ~= json.null then return value end
    task.sleep(0.05)
  end
end

local function find(self, css)
  return self:ask("POST", "/element", { using = "css selector", value = css })[ELEMENT]
end

--- Clicks on what a selector finds first, as a user does: it must be in sight.
---@param css string
function Browser:click(css)
  self:ask("POST", "/element/" .. find(self, css) .. "/click", { _ = 0 })
end

--- Types into what a selector finds first.
---@param css string
---@param text string
function Browser:type(css, text)
  self:ask("POST", "/element/" .. find(self, css) .. "/value", { text = text })
end

--- The text that is seen of what a selector finds first.
---@param css string
---@return string
function Browser:text(css) return self:ask("GET", "/element/" .. find(self, css) .. "/text") end

--- Errors on the console since the last call.
---@return string[]
function Browser:faults()
  local list = {}
  for _, entry in ipairs(self:ask("POST", "/se/log", { type = "browser" })) do
    table.insert(list, entry.message)
  end
  return list
end

return M
