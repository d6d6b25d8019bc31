-- internal.cache.list: doubly linked lists of nodes. A node is a table whose first two fields are
-- its neighbours; what else it has is its user's. Every operation takes the same time.
--@whole

local M = {}

local PREV <const> = 1
local NEXT <const> = 2

--- An empty list: its head, which is a node too, stands before the first one and behind the last.
---@return table head
function M.new()
  local head = { false, false }
  head[PREV], head[NEXT] = head, head
  return head
end

--- Puts a node at the end.
---@param head table
---@param node table
function M.append(head, node)
  local last = head[PREV]
  node[PREV], node[NEXT] = last, head
  last[NEXT], head[PREV] = node, node
end

--- Puts a node behind another one.
---@param place table
---@param node table
function M.insert(place, node) return M.append(place[NEXT], node) end

--- Takes a node out of its list.
---@param node table
function M.unlink(node)
  local prev, next = node[PREV], node[NEXT]
  prev[NEXT], next[PREV] = next, prev
end

return M
