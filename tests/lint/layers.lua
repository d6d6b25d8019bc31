-- Includes point down: base, ipc, loop, counted, wire, pool, luapool.h, api, cli. Sandbox stands
-- beside wire, the worker's side and the bindings beside pool; pool and worker share one header,
-- pool/protocol.h.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local order = {
  "runtime/base/", "runtime/ipc/", "runtime/loop/", "runtime/counted/", "runtime/wire/",
  "runtime/pool/", "runtime/luapool.h", "runtime/api/", "runtime/cli/",
  "runtime/module/",
}
local beside_pool = 6

local function layer(path)
  if path:find "^runtime/sandbox/" then return beside_pool - 1 end
  if path:find("^bindings/") or path:find("^runtime/worker/") then return beside_pool end
  for i, prefix in ipairs(order) do
    if path:sub(1, #prefix) == prefix then return i end
  end
end

-- Main's side and the worker's side know each other by what they send alone.
local function crosses(path, target)
  local from, to = path:match("^runtime/(%a+)/"), target:match("^runtime/(%a+)/")
  if from == "worker" and to == "pool" then return target ~= "runtime/pool/protocol.h" end
  return from == "pool" and to == "worker"
end

local rows = {}
for _, path in ipairs(tree.files({ "runtime", "bindings" }, { ".c", ".h" })) do
  for n, line in ipairs(tree.lines(path)) do
    local target = line:match('^%s*#%s*include%s+"([^"]+)"')
    local at = ("%s:%d: "):format(path, n)
    if target and not layer(target) then
      rows[#rows + 1] = at .. "not written from the root: " .. target
    elseif target and layer(target) > layer(path) then
      rows[#rows + 1] = at .. "includes upward: " .. target
    elseif target and crosses(path, target) then
      rows[#rows + 1] = at .. "main and worker meet in pool/protocol.h alone: " .. target
    elseif target and layer(path) < beside_pool and target:find("^bindings/") then
      rows[#rows + 1] = at .. "includes a binding: " .. target
    end
  end
end
tree.finish("includes point down", rows)
