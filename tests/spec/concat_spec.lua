-- Errors and temporary folders as operands of `..`. Lua 5.4.4 goes on with freed memory when the
-- stack grows meanwhile, so each place in a young stack is tried.

local fs = require "luapool.fs"
local task = require "luapool.task"

describe("an operand of ..", function()
  -- Calls fn so many frames below a new task, whose stack then ends at another place each.
  local function call_at(depth, fn)
    if depth == 0 then
      local value = fn()
      return value
    end
    local value = call_at(depth - 1, fn)
    return value
  end

  local function everywhere(expected, fn)
    for depth = 0, 60 do
      assert.are.equal(expected, task.spawn(call_at, depth, fn):await())
    end
  end

  local _, err = pcall(fs.read, "/no/such/file")
  local text = tostring(err)

  it("may be an error", function()
    everywhere("<" .. text, function() return "<" .. err end)
    everywhere(text .. "1", function() return err .. 1 end)
    everywhere("<1" .. text .. ">2", function() return "<" .. 1 .. err .. ">" .. 2 end)
    everywhere("<" .. text .. text .. ">", function() return "<" .. err .. err .. ">" end)
  end)

  it("may be a temporary folder", function()
    local dir <close> = fs.tempdir()
    everywhere("a" .. dir.path .. "/b", function() return "a" .. dir .. "/b" end)
  end)

  it("may stand in a coroutine of the script, also after a cancel", function()
    everywhere("<" .. text .. ">", function()
      return coroutine.wrap(function() return ("%s"):format("<" .. err .. ">") end)()
    end)
    local said
    local t = task.spawn(function()
      local _, e = pcall(task.sleep, 60)
      said = "(" .. e .. ")"
    end)
    task.yield()
    t:cancel()
    t:result()
    assert.is_truthy(said:find("^%(.*cancel.*%)$"), said)
  end)

  it("is refused where the task cannot be suspended", function()
    local ok, e = pcall(function()
      return (("x"):gsub("x", function() return "<" .. err .. ">" end))
    end)
    assert.is_false(ok)
    assert.is_truthy(e:find("concat_spec.lua:%d+: .*string%.gsub.*, use tostring: "), e)
    assert.is_truthy(e:find(text, 1, true), e)
    ok, e = xpcall(fs.read, function(object) return "said: " .. object end, "/no/such/file")
    assert.is_false(ok)
    assert.is_truthy(e:find "^said: .*use tostring: .*cannot .*/no/such/file", e)
  end)
end)
