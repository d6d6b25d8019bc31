-- Shows the worker of a chord: many jobs count the words of a part each, and one job that starts
-- when all of them are done merges what they found. See count.lua.
--
--     luapool serve worker.lua -- work.db

local path = ... or "work.db"

return {
  queue = "sqlite:" .. path,
  kinds = {
    count = {
      process = function(text)
        local n = 0
        for _ in text:gmatch "%a+" do n = n + 1 end
        return n
      end,
    },
    merge = {
      process = function(_, _, ctx)
        local sum = 0
        for _, child in ipairs(ctx.job.children) do sum = sum + child.result end
        return { words = sum, parts = #ctx.job.children }
      end,
      result_ttl = 600,
    },
  },
}
