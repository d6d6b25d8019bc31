-- Prints what stands in a .luarc.json: the version of Lua, and how many folders of types.
local settings = require("luapool.json").decode(require("luapool.fs").read(...))
print(settings["runtime.version"] .. " " .. #settings["workspace.library"])
