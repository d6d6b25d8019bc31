-- internal.sync.lending: the items of a queue with `redeliver` that are with somebody:
-- queue.lent[holder] is a list of
-- {value, priority}, the oldest first.
--@whole

local class = require "luapool.internal.sync.class"

local M = {}

--- An item is with a holder from now on.
---@param queue table
---@param who table
function M.lend(queue, who, value, priority)
  local list = queue.lent[who]
  if not list then
    list = {}
    queue.lent[who] = list
    class.hold(who, queue)
  end
  list[#list + 1] = { value, priority }
end

--- Takes all that a holder has.
---@param queue table
---@param who table
---@return table list
function M.take(queue, who)
  local list = queue.lent[who] or {}
  queue.lent[who] = nil
  class.drop(who, queue)
  return list
end

--- A holder is done with its oldest item; false when it has none.
---@param queue table
---@param who table
---@return boolean settled
function M.settle(queue, who)
  local list = queue.lent[who]
  if not list then return false end
  table.remove(list, 1)
  if #list == 0 then M.take(queue, who) end
  return true
end

--- A holder does not have this item after all; false when that has been seen to already.
---@param queue table
---@param who table
---@param value any
---@return boolean
function M.give_up(queue, who, value)
  local list = queue.lent[who] or {}
  for i = #list, 1, -1 do
    if rawequal(list[i][1], value) then
      table.remove(list, i)
      if #list == 0 then M.take(queue, who) end
      return true
    end
  end
  return false
end

--- Can nothing that is lent come back? So it is when all who have something wait for more
--- themselves, `me` too.
---@param queue table
---@param me? table
---@return boolean
function M.stalled(queue, me)
  if not queue.lent or not next(queue.lent) then return true end
  local waiting = { [me or queue] = true }
  for _, who in ipairs(queue.getters:given()) do
    waiting[who] = true
  end
  for who in pairs(queue.lent) do
    if not waiting[who] then return false end
  end
  return true
end

return M
