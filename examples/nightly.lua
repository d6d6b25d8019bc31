-- Shows a report that is made every night. What came due while nobody served, the machine being
-- off, is made up for once (`missed = "one"`); a second one does not start while the first runs.
--
--     luapool serve nightly.lua -- reports "30 2 * * *"

local fs = require "luapool.fs"

local folder, line = ...

return {
  queue = "sqlite:" .. folder .. "/nightly.db",
  kinds = {
    report = {
      process = function(about, _, ctx)
        local text = ("report on %s\n"):format(about.what)
        -- The id is the same however often the job has to run: so the file is, too.
        fs.write(("%s/report-%s.txt"):format(folder, ctx.job.id), text)
      end,
      retry = { attempts = 5, wait = 60 },
    },
  },
  cron = {
    nightly = {
      line or "30 2 * * *", tz = "Europe/Berlin", kind = "report", args = { what = "sales" },
      missed = "one", overlap = false,
    },
  },
}
