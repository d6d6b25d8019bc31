-- luacheck scripts docs tests examples
std = "lua54"
max_line_length = false -- tests/lint/sizes.lua looks at it
codes = true
exclude_files = { "examples/**/out/**" }
-- These run in Redis, as one text: base.lua has the locals that all of them use.
files["scripts/luapool/internal/queue/redis/functions"] = {
  std = "lua51", globals = { "lp", "call" }, read_globals = { "redis", "cjson" },
  ignore = { "241" },
}
files["scripts/cli/main.lua"] = { globals = { "arg" } }
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["tests/support/spec.lua"] = { globals = { "_G.finally", "_G.pending" } }
files["tests/support/hostile.lua"] = { std = "+busted" }
files["tests/support/nginx_*.lua"] = { std = "luajit+ngx_lua" }
