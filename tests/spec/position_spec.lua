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

describe("an error of what a text says names the user's line too:", function()
  local html, json, yaml = require "luapool.html", require "luapool.json", require "luapool.yaml"
  local page = html.parse "<p>x"
  local wrong = {
    ["a selector"] = function() local _ = page:css "p >" end,
    ["a selector of first"] = function() local _ = page:first "p[" end,
    ["an XPath"] = function() local _ = page:xpath "//[" end,
    ["JSON"] = function() local _ = json.decode "[1" end,
    ["YAML"] = function() local _ = yaml.load "a: [1" end,
    ["what has no form in YAML"] = function() local _ = yaml.dump(print) end,
  }
  for name, fn in pairs(wrong) do
    it(name, function()
      local line = debug.getinfo(fn, "S").linedefined
      local ok, e = pcall(fn)
      assert.is_false(ok)
      assert.matches(("position_spec.lua:%d: "):format(line), tostring(e), 1, true)
    end)
  end
end)
