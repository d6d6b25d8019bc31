-- Shows a service: it runs until it is stopped, reads its settings again on SIGHUP and says
-- good-bye on SIGTERM. Each of its processes has a place of its own, `ctx.worker`.
--
--     luapool serve service.lua -- settings.json log

local fs = require "luapool.fs"
local json = require "luapool.json"
local task = require "luapool.task"

local settings, log = ...

local function note(ctx, what)
  fs.append(log, ("%d %s %s\n"):format(ctx.worker, what, ctx.settings.greeting))
end

return {
  services = {
    greeter = {
      processes = 2,
      init = function(ctx) ctx.settings = json.decode(fs.read(settings)) end,
      run = function(ctx)
        note(ctx, "begins with")
        while not ctx.stopping do task.sleep(ctx.settings.pause) end -- its work
      end,
      reload = function(ctx)
        ctx.settings = json.decode(fs.read(settings))
        note(ctx, "goes on with")
      end,
      terminate = function(ctx) -- `run` has the time of --grace to return
        note(ctx, "ends with")
        ctx.stopping = true
      end,
    },
  },
}
