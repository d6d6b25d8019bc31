-- internal.queue.redis.read: jobs of a store on Redis, as users see them, out of the fields
-- that the server has of them (redis/functions/base.lua).

local calls = require "luapool.internal.queue.redis.call"
local json = require "luapool.json.core"

local M = {}

local tointeger = math.tointeger

M.names = { ["1"] = "scheduled", ["2"] = "waiting", ["4"] = "blocked", ["5"] = "running",
  ["6"] = "done", ["7"] = "failed", ["8"] = "cancelled", ["9"] = "expired" }

--- Name of a state -> the letter that it has in the server.
M.states = {}
for letter, name in pairs(M.names) do M.states[name] = letter end

local function decoded(text)
  if text then return json.decode(text) end
end

local function seconds(text) return text and tonumber(text) / 1000000 end

local function progress_of(share, text)
  return share and { share = tonumber(share), text = text }
end

--- Adds to a job that was claimed what is not told of each.
---@param self luapool.queue.RedisStore
---@param job table
---@param more table fields of the server
function M.complete(self, job, more)
  job.priority, job.crashes = tointeger(more.p) or 0, tointeger(more.c) or 0
  job.key, job.parent = more.y, more.h
  job.expires, job.ttl, job.uniq_for = tointeger(more.x), tointeger(more.m), tointeger(more.v)
  job.progress = progress_of(more.i, more.tx)
  if not more.pe then return end
  job.children = {}
  for i, kid in ipairs(calls.read(self, "lp1_kids", { job.id })) do
    job.children[i] = { id = kid[1], kind = kid[2], state = M.names[kid[3]],
      result = decoded(kid[4] or nil), error = decoded(kid[5] or nil) }
  end
end

--- A job out of a list of names and values.
---@param id string
---@param list string[]
---@return table|nil
function M.job(id, list)
  if #list == 0 then return nil end
  local f = {}
  for i = 1, #list, 2 do f[list[i]] = list[i + 1] end
  return {
    id = id, kind = f.k, state = M.names[f.s], priority = tointeger(f.p) or 0, args = decoded(f.a),
    attempts = tointeger(f.n) or 0, crashes = tointeger(f.c) or 0, losses = tointeger(f.l) or 0,
    key = f.y, unique = f.w, parent = f.h, put_at = seconds(f.u), started_at = seconds(f.b),
    ended_at = seconds(f.e), due_at = f.s == "1" and seconds(f.d) or nil, expires_at = seconds(f.x),
    result = decoded(f.r), error = decoded(f.f), progress = progress_of(f.i, f.tx),
    cancel = f.g == "1" or nil, seq = tointeger(f.q),
  }
end

return M
