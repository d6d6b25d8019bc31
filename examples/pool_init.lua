-- Shows `init` of a pool: it runs once in each worker before its first task, to open what all tasks
-- of that worker share. Globals that it sets exist in the workers only.
--
--     luapool run pool_init.lua -p 2

local luapool = require "luapool"

local function init(greeting)
  GREETING = greeting .. ", this is worker " .. require("luapool").worker.id -- luacheck: ignore
  CALLS = 0 -- luacheck: ignore
end

local function greet(name)
  CALLS = CALLS + 1 -- luacheck: ignore
  return GREETING .. ", " .. name, CALLS -- luacheck: ignore
end

local workers <close> = luapool.pool.new { processes = 2, init = init, init_args = { "Hello" } }
local greeted, by_worker = 0, {}
for _, text in workers:map(greet, { "Ann", "Bob", "Cid", "Dan" }) do
  greeted = greeted + 1
  by_worker[text:match "worker (%d+)"] = true
end
print(greeted .. " greeted")
print(next(by_worker) and GREETING == nil and "main has no global GREETING") -- luacheck: ignore
