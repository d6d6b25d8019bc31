-- internal.settings: what the command line has said, as defaults for the parts: pool.new takes
-- `processes`, `concurrency`, `memory_limit` (bytes) and `max_tasks` from here, the bars
-- `progress`, the log `log_level` and `log_format`. An absent field was not given. A worker is
-- told of the latter two alone.

---@class luapool.settings
---@field processes? integer
---@field concurrency? integer
---@field memory_limit? integer
---@field max_tasks? integer
---@field progress? "auto"|"on"|"off"
---@field log_level? "debug"|"info"|"warn"|"error"
---@field log_format? "text"|"json"
return {}
