-- Which line an error of use names: the user's, whatever his chunk is called.

local task = require "luapool.task"

describe("an error of use names", function()
  for _, name in ipairs { "=luapool/task.lua", "=luapool/mine.lua", "@luapool/task.lua" } do
    it("the line of a chunk called " .. name, function()
      local chunk = assert(load("local task = ...\n\ntask.gather(1)", name))
      local ok, e = pcall(chunk, task)
      assert.is_false(ok)
      assert.are.equal(name:sub(2) .. ":3: ", tostring(e):match "^[^:]*:%d+: ")
    end)
  end
end)
