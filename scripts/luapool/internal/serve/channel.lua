-- internal.serve.channel: what workers of `luapool serve` tell main while a job runs. Main
-- makes one, which travels as the objects of luapool.sync do; workers post to it and wait for
-- nothing.

local class = require "luapool.internal.sync.class"
local sync = require "luapool.sync.core"

require "luapool.internal.sync.remote"

local M = {}

local about = { title = "luapool.serve.Channel" }

---@class luapool.serve.Channel
---@field heard fun(id: string, share: number, text: string?)
local Channel = class.new("serve", about)

--- A job has come so far.
function Channel:progress(id, share, text) self.heard(id, share, text) end

class.open(Channel, "progress")

about.proxy = {
  progress = function(self, ...) sync.post(self.number, 0, "progress", ...) end,
}

--- Makes one. `heard` is called in main for each post.
---@param heard fun(id: string, share: number, text: string?)
---@return luapool.serve.Channel
function M.new(heard) return setmetatable({ heard = heard }, Channel) end

return M
