-- Shows files uploaded as a browser's form does it, a few at a time, with a bar; each is read from
-- the disk while it is sent.
--
--     luapool run upload.lua -- https://example.com/upload *.jpg

local http = require "luapool.http"
local log = require "luapool.log"
local progress = require "luapool.progress"
local task = require "luapool.task"

local url = ... or error("luapool run upload.lua -- URL FILE...", 0)
local files = { select(2, ...) }

local client <close> = http.client { timeout = 3600, retry = { attempts = 3 } }
local bar <close> = progress.bar { total = #files, unit = "file" }

local function upload(path)
  local name = path:match "[^/]*$"
  local res = client:post(url, { multipart = {
    title = name:gsub("%.%w+$", ""),
    file = { file = path, filename = name },
  } }):raise_for_status()
  bar:update(1)
  return res.body
end

local sent = 0
local options = { concurrency = 4, return_errors = true }
for _, answer, e, path in task.map(upload, files, options) do
  if e then
    log.error("%s: %s", path, e)
  else
    sent = sent + 1
    io.write(answer)
  end
end
bar:close()
print(("%d of %d files sent"):format(sent, #files))
os.exit(sent == #files and 0 or 1)
