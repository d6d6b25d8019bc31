-- The guides in docs/ tell the truth: each block marked `lua` is a whole script or job. It is run
-- as its reader would run it, in a folder of its own. A block marked `text` right behind it is
-- what it prints. `https://example.com` stands for a server of the tests' own.

local fs = require "luapool.fs"
local nginx = require "tests.support.nginx"
local process = require "luapool.process"

local PROGRAM = assert(os.getenv "LUAPOOL")

local function pages(server)
  for n = 1, 3 do
    local link = n < 3 and ('<a rel="next" href="page-%d.html">on</a>'):format(n + 1) or ""
    local text = "<title>Page %d</title><h1>Page %d</h1>%s"
    server:file(("page-%d.html"):format(n), text:format(n, n, link))
  end
  server:file("index.html", '<title>Home</title><a href="page-1.html">one</a>')
  server:file("items.json", '[{"id": 1}, {"id": 2}]')
end

-- A file for `luapool serve` is served until it says that it does, and then stopped.
local SERVE = [[
"$0" serve guide.lua -p 1 2>log & pid=$!
until grep -q serving log; do kill -0 $pid || break; sleep 0.02; done
kill $pid; wait $pid || { status=$?; cat log >&2; exit $status; }]]

-- The blocks of a guide: { line =, code =, output = }.
local function blocks_of(path)
  local list, block, inside, n = {}, nil, nil, 0
  for line in io.lines(path) do
    n = n + 1
    local fence = line:match "^%s*```(.*)$"
    if fence and not inside then
      inside = fence
      if fence == "lua" then
        block = { line = n, code = {} }
        list[#list + 1] = block
      elseif fence == "text" and block then
        block.output = {}
      else
        block = nil
      end
    elseif fence then
      if inside == "text" then block = nil end
      inside = nil
    elseif inside and block then
      table.insert(block.output or block.code, line)
    elseif line:find "%S" then
      block = nil
    end
  end
  return list
end

local function is_served(code)
  for _, line in ipairs(code) do
    if line:find "^  queue = " or line:find "^  services = " then return true end
  end
  return false
end

local function join(lines)
  return table.concat(lines, "\n") .. "\n"
end

local guides = {}
for path in io.popen("find docs -name '*.md' | LC_ALL=C sort"):lines() do
  guides[#guides + 1] = path
end

describe("the guides", function()
  local server

  setup(function()
    server = nginx.start()
    pages(server)
  end)

  teardown(function() server:stop() end)

  local function run(block)
    local folder <close> = fs.tempdir()
    block.serves = is_served(block.code)
    local code = join(block.code):gsub("https://example%.com", server.url)
    fs.write(folder .. "/guide.lua", code)
    local urls = { server.url .. "/page-1.html", server.url .. "/page-2.html" }
    fs.write(folder .. "/urls.txt", table.concat(urls, "\n") .. "\n")
    local command = { PROGRAM, "run", "guide.lua", "-p", "2" }
    if block.serves then command = { "sh", "-c", SERVE, PROGRAM } end
    command.cwd, command.timeout = folder.path, 60
    return process.exec(command)
  end

  for _, path in ipairs(guides) do
    for _, block in ipairs(blocks_of(path)) do
      it(("%s:%d runs"):format(path, block.line), function()
        local done = run(block)
        assert.are.equal("", done.code == 0 and "" or done.stderr .. done.stdout)
        if block.output then
          local out = done.stdout:gsub(server.url:gsub("%p", "%%%0"), "https://example.com")
          assert.are.equal(join(block.output), out)
        end
      end)
    end
  end
end)
