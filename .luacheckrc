-- luacheck scripts docs tests examples
std = "lua54"
max_line_length = false -- tests/lint/sizes.lua looks at it
codes = true
exclude_files = { "examples/**/out/**" }
files["scripts/cli/main.lua"] = { globals = { "arg" } }
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["tests/support/spec.lua"] = { globals = { "_G.finally", "_G.pending" } }
files["tests/support/hostile.lua"] = { std = "+busted" }
files["tests/support/nginx_*.lua"] = { std = "luajit+ngx_lua" }
