-- luacheck scripts tests examples
std = "lua54"
max_line_length = 100
codes = true
exclude_files = { "examples/**/out/**" }
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["tests/support/busted.lua"] = { globals = { "_G.finally", "_G.pending" } }
files["tests/support/nginx_pages.lua"] = { std = "luajit+ngx_lua" }
