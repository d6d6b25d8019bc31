-- The site of the docs, as readers meet it: read from the disk in a real browser, wide and narrow,
-- dark and light. That its links lead somewhere its generator checks: tests/cli/site.sh.

local browser = require "tests.support.browser"
local fs = require "luapool.fs"
local process = require "luapool.process"

local keys = browser.keys

local folder, b
setup(function()
  folder = fs.tempdir()
  local made = process.exec { "lua5.4", "docs/generator/main.lua", "site", folder.path .. "/site" }
  assert(made.code == 0, made.stderr)
  b = browser.start()
end)
teardown(function()
  b:stop()
  folder:close()
end)

local function open(page) b:open("file://" .. folder.path .. "/site/" .. page) end

local function pages()
  local list, found = {}, process.exec { "find", folder.path .. "/site", "-name", "*.html" }
  for path in found.stdout:gmatch "[^\n]+" do table.insert(list, path:sub(#folder.path + 7)) end
  return list
end

local function wait_until_seen(id)
  b:wait(([[const top = document.getElementById("%s").getBoundingClientRect().top;
    return top > 0 && top < innerHeight]]):format(id))
end

describe("pages", function()
  for _, width in ipairs { 400, 1400 } do
    it(("fit into %d pixels, without an error"):format(width), function()
      b:view { width = width }
      local list = pages()
      assert.is_true(#list > 50, #list)
      for _, page in ipairs(list) do
        open(page)
        assert.same({ page, width }, { page, b:run "return document.scrollingElement.scrollWidth" })
        assert.is_true(b:run "return document.querySelector('h1').offsetHeight > 0", page)
      end
      assert.same({}, b:faults())
    end)
  end

  it("say what they hold and where the reader is", function()
    b:view { width = 1400 }
    open "docs/jobs.html"
    assert.equal("Job files", b:text "h1")
    assert.equal("Job files", b:text "#menu [aria-current]")
    b:click ".contents a[href='#formats']"
    wait_until_seen "formats"
  end)

  it("show code as it is, in colours", function()
    open "docs/jobs.html"
    local code = b:run "return document.querySelector('.code .keyword').closest('code').textContent"
    assert.is_truthy(fs.read("docs/jobs.md"):find(code, 1, true), code)
  end)
end)

describe("search", function()
  before_each(function()
    b:view { width = 1400 }
    open "docs/index.html"
  end)

  it("finds a function by its name, with keys alone", function()
    b:type("body", "/")
    b:type("#search", "gather")
    local first = b:wait "return document.querySelector('#results a.chosen')?.innerText"
    assert.equal("task.gather", first:match "[^\n]*")
    b:type("#search", keys.enter)
    b:wait "return location.href.endsWith('api/task.html#taskgather')"
    wait_until_seen "taskgather"
  end)

  it("finds words of the text, and marks them", function()
    b:type("#search", "systemd watchdog")
    b:wait "return document.querySelectorAll('#results mark').length > 1"
  end)

  it("says when nothing is found, and closes", function()
    b:type("#search", "<b>xyzzy")
    assert.equal("Nothing found for “<b>xyzzy”",
      b:wait "return document.querySelector('#results .nothing')?.textContent")
    b:type("#search", keys.escape)
    assert.is_true(b:run "return document.getElementById('results').hidden")
  end)
end)

describe("colours", function()
  local function ground() return b:run "return getComputedStyle(document.body).backgroundColor" end

  it("are those of the system, or those that the reader has chosen", function()
    b:view { dark = false }
    open "index.html"
    local light = ground()
    b:view { dark = true }
    local dark = ground()
    assert.not_equal(light, dark)
    b:click "#theme"
    assert.equal(light, ground())
    open "docs/jobs.html"
    assert.equal(light, ground())
    b:click "#theme"
    assert.equal(dark, ground())
  end)
end)

it("the menu of a narrow window opens and leads on", function()
  b:view { width = 400 }
  open "docs/jobs.html"
  local function is_shown()
    return b:run "return document.getElementById('menu').offsetHeight > 0"
  end
  assert.is_false(is_shown())
  b:click "#menu-button"
  assert.is_true(is_shown())
  b:click "#menu a[href$='docs/durable.html']"
  b:wait "return location.href.endsWith('docs/durable.html')"
  assert.equal("Durable jobs", b:text "h1")
end)

it("code is copied", function()
  b:view { width = 1400 }
  b:devtools("Browser.grantPermissions",
    { permissions = { "clipboardReadWrite", "clipboardSanitizedWrite" } })
  open "docs/first-scraper.html"
  local code = b:run "return document.querySelector('.code code').textContent.split('\\n')[0]"
  b:run "document.querySelector('.code .copy').focus()"
  b:type(".code .copy", keys.enter)
  b:wait "return document.querySelector('.code .copy').textContent === 'Copied'"
  b:type("#search", keys.control .. "v")
  b:wait "return document.getElementById('search').value !== ''"
  assert.equal(1, b:run "return document.getElementById('search').value":find(code, 1, true))
end)
