-- Ends the oldest waiting job of a kind with an error of this text, or well:
--   luapool run tests/support/queue_end.lua -- URL KIND TEXT|done
local queue = require "luapool.queue"

local url, kind, text = ...
local q <close> = queue.open(url)
local kinds = { [kind] = {} }
local _, claimed = q.store:settle({}, 1, kinds)
local job = assert(claimed[1], "no job waits")
local failed = text ~= "done" and ('{"kind":"error","message":"%s"}'):format(text) or nil
q.store:settle({ { id = job.id, token = job.token, outcome = failed and "failed" or "done",
  error = failed, value = not failed and "null" or nil } }, 0, kinds)
