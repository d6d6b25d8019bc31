-- internal.cache.policy: which entry leaves a cache that is full. A policy keeps the entries in
-- linked lists, in the field `order` of the store, and has add(store, entry), touch(store, entry)
-- or false for one that was asked for, renew(store, entry) for one that got another value,
-- remove(store, entry), and victim(store, but), the entry that is to leave, which is not `but`.
-- Each takes the same time whatever the number of entries.
--@whole

local list = require "luapool.internal.cache.list"
local append, insert, unlink = list.append, list.insert, list.unlink

local M = {}

local PREV <const> = 1
local NEXT <const> = 2

-- ---- one list, the next to leave first ----

local function add(store, entry) append(store.order, entry) end

-- unlink and append; it is called most often.
local function to_end(store, entry)
  local order, prev, next = store.order, entry[PREV], entry[NEXT]
  if next == order then return end
  prev[NEXT], next[PREV] = next, prev
  local last = order[PREV]
  entry[PREV], entry[NEXT] = last, order
  last[NEXT], order[PREV] = entry, entry
end

local function remove(_, entry) unlink(entry) end

-- `but` is the last one, as it has just been added or renewed.
local function first(store) return store.order[NEXT] end

M.lru = { add = add, touch = to_end, renew = to_end, remove = remove, victim = first }

M.fifo = { add = add, touch = false, renew = to_end, remove = remove, victim = first }

-- ---- a list of all that were used equally often, the latest at the end, and a list of these ----

local RANK <const> = 7 -- of an entry: the list that it is in
local COUNT <const> = 3 -- of a rank: how often its entries were used
local ENTRIES <const> = 4

-- The rank of `count` behind `place`, where it belongs.
local function rank_behind(place, count)
  local rank = place[NEXT]
  if rank[COUNT] == count then return rank end
  rank = { false, false, count, list.new() }
  insert(place, rank)
  return rank
end

local function is_empty(rank) return rank[ENTRIES][NEXT] == rank[ENTRIES] end

local function enter(rank, entry)
  entry[RANK] = rank
  append(rank[ENTRIES], entry)
end

local function leave(_, entry)
  local rank = entry[RANK]
  unlink(entry)
  if is_empty(rank) then unlink(rank) end
end

local function use(_, entry)
  local rank = entry[RANK]
  unlink(entry)
  enter(rank_behind(rank, rank[COUNT] + 1), entry)
  if is_empty(rank) then unlink(rank) end
end

local function least(store, but)
  local rank = store.order[NEXT]
  local entry = rank[ENTRIES][NEXT]
  if entry ~= but then return entry end
  entry = entry[NEXT]
  if entry ~= rank[ENTRIES] then return entry end
  return rank[NEXT][ENTRIES][NEXT]
end

M.lfu = {
  add = function(store, entry) enter(rank_behind(store.order, 1), entry) end,
  touch = use, renew = use, remove = leave, victim = least,
}

return M
