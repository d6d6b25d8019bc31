-- Compiles the Lua half into one C file; run by the build, from scripts/, with a plain lua5.4.
-- Usage: lua5.4 embed.lua OUT.c FILE...   (the files relative to scripts/; there may be none; one
-- that the build has made stands elsewhere: NAME.lua=FILE)
-- The table it writes, and the flags, are declared in runtime/loop/scripts.h.

local out_path = arg[1]
local files, place = {}, {}
for i = 2, #arg do
  local name, made = arg[i]:match("^([^=]+)=(.+)$")
  files[i - 1] = name or arg[i]
  place[files[i - 1]] = made or arg[i]
end
table.sort(files)

-- "luapool/init.lua" is the module "luapool", "luapool/task.lua" is "luapool.task".
local function module_name(path)
  return (path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local OURS, WHOLE = 1, 2

-- A script says of itself, in a line of its own, that no time slice ends in its functions.
local function flags_of(source) return source:find("\n%-%-@whole\n") and OURS | WHOLE or OURS end

-- Lua has one copy of a string of so many bytes, and many of a longer one.
local SHORT = 40

-- Puts the flags behind the name of the chunk, after zero bytes that make it so long that each
-- chunk that is loaded has a copy of its own. The name stands in the bytecode once, its length
-- plus one before it, in a byte whose highest bit is set.
local function mark(code, name, flags)
  local function sized(text) return string.char(0x80 | #text + 1) .. text end
  local from, to = code:find(sized(name), 1, true)
  local zeros = ("\0"):rep(math.max(1, SHORT - #name))
  assert(from and #name < 120, name)
  return code:sub(1, from - 1) .. sized(name .. zeros .. string.char(flags)) .. code:sub(to + 1)
end

-- A script that says so of itself is for somebody else's Lua: its module is its text.
local function code_of(text)
  if text:find "\n%-%-@text\n" then return ("return %q"):format(text) end
  return (text:gsub("^#[^\n]*", ""))
end

local function bytecode(path)
  local file = assert(io.open(place[path], "rb"))
  local source = code_of(file:read("a"))
  file:close()
  local chunk, message = load(source, "=" .. path, "t")
  if not chunk then
    io.stderr:write("scripts/", message, "\n")
    os.exit(1)
  end
  return mark(string.dump(chunk), "=" .. path, flags_of(source))
end

local function write_bytes(out, bytes)
  for at = 1, #bytes, 20 do
    out:write("  ", table.concat({ bytes:byte(at, at + 19) }, ","), ",\n")
  end
end

local out = assert(io.open(out_path .. ".new", "w"))
out:write("/* Made by scripts/embed.lua: do not edit. */\n#include \"runtime/loop/scripts.h\"\n\n")
local entries = {}
for i, path in ipairs(files) do
  local bytes = bytecode(path)
  out:write(("static const unsigned char script_%d[] = {\n"):format(i))
  write_bytes(out, bytes)
  out:write("};\n\n")
  entries[i] = ("  {\"%s\", \"=%s\", script_%d, %d},\n"):format(module_name(path), path, i, #bytes)
end
out:write("const lp_script lp_scripts[] = {\n", table.concat(entries), "  {0, 0, 0, 0},\n};\n\n")
out:write(("const size_t lp_scripts_count = %d;\n"):format(#files))
assert(out:close())
assert(os.rename(out_path .. ".new", out_path))
