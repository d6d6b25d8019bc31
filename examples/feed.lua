-- Shows feeds (RSS and Atom) watched: each run prints what is new since the last one. A database
-- remembers the entries, and a cache on disk asks the servers only whether something has changed.
--
--     luapool run feed.lua -- https://example.com/feed.xml https://example.org/atom.xml

local http = require "luapool.http"
local log = require "luapool.log"
local sqlite = require "luapool.sqlite"
local task = require "luapool.task"
local xml = require "luapool.xml"

local urls = { ... }
local db <close> = sqlite.open "feeds.sqlite"
db:exec "CREATE TABLE IF NOT EXISTS entry (url TEXT PRIMARY KEY, title TEXT, feed TEXT)"
local client <close> = http.client { cache = "feeds.cache", retry = { attempts = 3 } }

local function text(node) return node and node:text { trim = true } or nil end

-- The entries of a feed: an <item> of RSS has its link as text, an <entry> of Atom as an attribute.
local function entries(url)
  local feed = xml.parse(client:get(url):raise_for_status().body, { base_url = url })
  local list = {}
  for i, node in ipairs(feed:css "item, entry") do
    local link = node:first "link[rel=alternate], link:not([rel])"
    list[i] = {
      url = link and node:resolve(link:attr "href" or text(link)) or text(node:first "guid, id"),
      title = text(node:first "title") or "(no title)",
      feed = url,
    }
  end
  return list
end

local INSERT = "INSERT INTO entry VALUES (:url, :title, :feed) ON CONFLICT DO NOTHING"

local function show_new(url)
  for _, entry in ipairs(entries(url)) do
    if db:exec(INSERT, entry) == 1 then print(entry.title, entry.url) end
  end
end

for _, _, e, url in task.map(show_new, urls, { concurrency = 10, return_errors = true }) do
  if e then log.error("%s: %s", url, e) end
end
