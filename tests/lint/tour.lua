-- Each file of runtime/ has a line in runtime/README.md, and each line a file. Prints TAP.

local tour = assert(io.open "runtime/README.md"):read "a"
local listed, problems = {}, {}

for row in tour:gmatch "\n| (`[^|]*`) |" do
  for name in row:gmatch "`([^`]+)`" do
    local stem, endings = name:match "^(.*)%.%[(.*)%]$"
    for ending in (endings or ""):gmatch "." do listed[stem .. "." .. ending] = true end
    if not stem then listed[name] = true end
  end
end

local found = {}
for path in io.popen("find runtime -name '*.[ch]' | sort"):lines() do
  local name = path:gsub("^runtime/", "")
  found[name] = true
  if not listed[name] then problems[#problems + 1] = name .. " has no line in runtime/README.md" end
end
for name in pairs(listed) do
  if not found[name] then
    problems[#problems + 1] = name .. " of runtime/README.md does not exist"
  end
end

print "1..1"
print((#problems == 0 and "ok" or "not ok") .. " 1 - the tour names every file of runtime/")
for _, problem in ipairs(problems) do print("# " .. problem) end
os.exit(#problems == 0)
