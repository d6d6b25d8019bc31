-- luapool.csv: what RFC 4180 says and what files in the wild do; sources that wait; the writer.

local csv = require "luapool.csv"
local fs = require "luapool.fs"
local json = require "luapool.json"
local refused = require "tests.support.refused"
local task = require "luapool.task"

local function lists(text, separator)
  return csv.parse(text, { header = false, separator = separator })
end

describe("csv.rows", function()
  it("takes records apart", function()
    assert.are.same({ { "a", "b" }, { "c", "" }, { "", "" } }, lists "a,b\nc,\n,\n")
    assert.are.same({ { "a,b", 'say "hi"', "" } }, lists '"a,b","say ""hi""",""')
    assert.are.same({ { "one\ntwo\n\nthree", "x" }, { "y" } }, lists '"one\ntwo\n\nthree",x\ny')
    assert.are.same({ { '"', '""', 'a"b' } }, lists '"""","""""",a"b')
    assert.are.same({ { "a", "b;c" } }, lists('a;"b;c"', ";"))
    assert.are.same({ { "a b", " c " } }, lists("a b\t c ", "\t"))
    assert.are.same({ { "\0x", "é" } }, lists "\0x,é")
    assert.are.same({ { "abc", "d" } }, lists '"ab"c,d') -- as others read it
  end)

  it("ends lines with LF or CR LF, also inside of quotes, and passes over empty ones", function()
    assert.are.same({ { "a", "b" }, { "c", "d" } }, lists "a,b\r\n\r\nc,d\r\n\n")
    assert.are.same({ { "a\r\nb", "c" }, { "d" } }, lists '"a\r\nb",c\r\n"d"\r\n')
    assert.are.same({}, lists "")
    assert.are.same({}, csv.parse "a,b\n")
    assert.are.same({}, csv.parse "\n\n")
  end)

  it("names the fields by the first record", function()
    assert.are.same({ { a = "1", b = "2" } }, csv.parse "\u{FEFF}a,b\r\n1,2\r\n")
    assert.are.same({ { ["a\nb"] = "1" } }, csv.parse '\u{FEFF}"a\nb"\n1')
    assert.are.same({ { a = "1" }, { a = "2", b = "3", [3] = "4", [4] = "5" } },
      csv.parse "a,b\n1\n2,3,4,5\n")
    assert.are.same({ { a = "1", [2] = "2", [3] = "3" } }, csv.parse "a,a,\n1,2,3")
    assert.are.same({ { x = "a" }, { x = "1", [2] = "2" } },
      csv.parse("a\n1,2", { header = { "x" } }))
  end)

  it("reads files without loading them, and closes them", function()
    local dir <close> = fs.tempdir()
    local parts = { "id,text\n" }
    local field = ("x"):rep(1000) .. '""\n' .. ("y"):rep(1000)
    for i = 1, 2000 do parts[i + 1] = ('%d,"%s"\n'):format(i, field) end
    fs.write(dir .. "/big.csv", table.concat(parts))
    local n, text = 0, field:gsub('""', '"')
    for row in csv.rows(dir .. "/big.csv") do
      n = n + 1
      assert.are.equal(tostring(n), row.id)
      assert.is_true(row.text == text)
    end
    assert.are.equal(2000, n)
    for row in csv.rows(dir .. "/big.csv") do -- the file must be closed, or the spec fails
      if row.id == "2" then break end
    end
    assert.are.equal("ENOENT", refused("fs", "", csv.rows, dir .. "/none").code)
  end)

  it("reads sources that wait: streams of lines, pipes, functions", function()
    local lines = { "a,b", '"1', '2",3', "4,5" }
    local function slow()
      task.yield()
      return table.remove(lines, 1)
    end
    local rows = csv.rows(slow)
    assert.are.same({ { a = "1\n2", b = "3" }, { a = "4", b = "5" } }, { rows(), rows() })
    assert.is_nil(rows())
    local dir <close> = fs.tempdir()
    fs.write(dir .. "/a.csv", "a\n1\n")
    assert.are.equal("1", csv.rows(io.lines(dir .. "/a.csv"))().a)
    assert.is_true(os.execute("mkfifo " .. dir .. "/pipe"))
    local reader = task.spawn(function() return csv.rows(dir .. "/pipe")().a end)
    fs.write(dir .. "/pipe", "a\n1\n")
    assert.are.equal("1", reader:await())
  end)

  it("reads an answer while it comes", function()
    local http, nginx = require "luapool.http", require "tests.support.nginx"
    local server = nginx.start()
    finally(function() server:stop() end)
    local parts = { "id,text\r\n" }
    for i = 1, 3000 do parts[i + 1] = ('%d,"line %d\r\nnext, ""quoted"""\r\n'):format(i, i) end
    local address = server:file("a.csv", table.concat(parts))
    local client <close> = http.client()
    local res <close> = client:get(address, { stream = true })
    local n = 0
    for row in csv.rows(res:lines()) do
      n = n + 1
      assert.are.same({ id = tostring(n), text = ('line %d\nnext, "quoted"'):format(n) }, row)
    end
    assert.are.equal(3000, n)
  end)

  it("says where a quoted field has no end", function()
    assert.are.equal(3, refused("csv", "line 3: a quoted field has no end", csv.parse,
      'a\n1\n"2\n3\n').line)
    local line = ("x"):rep(1 << 20)
    local rows = csv.rows(function() return '"' and line end, { header = false })
    assert.are.equal(line, rows()[1])
    local begun
    rows = csv.rows(function()
      if begun then return line end
      begun = true
      return '"'
    end, { header = false })
    refused("csv", "line 1: a quoted field is larger than 64 MiB", rows)
  end)

  it("refuses what is no source and no separator", function()
    refused("usage", "bad argument #1 to 'csv.rows'", csv.rows, 5)
    refused("usage", "bad argument #1 to 'csv.parse'", csv.parse, {})
    for _, separator in ipairs { "", ",,", '"', "\n", "é" } do
      refused("usage", "option 'separator' must be one character", csv.rows, {},
        { separator = separator })
    end
  end)

  it("joins many lines of one field", function()
    local lines = { '"' }
    for i = 1, 200000 do lines[i + 1] = "x" end
    table.insert(lines, '"')
    assert.are.equal(2 * 200000 + 1, #csv.rows(lines, { header = false })()[1])
  end)
end)

describe("csv.writer", function()
  local dir
  before_each(function() dir = fs.tempdir() end)
  after_each(function() dir:close() end)

  local function written(rows, opts)
    local writer <close> = csv.writer(dir .. "/a.csv", opts)
    for _, row in ipairs(rows) do writer:write(row) end
    writer:close()
    writer:close()
    return fs.read(dir .. "/a.csv")
  end

  it("writes what csv.rows reads", function()
    local rows = {}
    for i, text in ipairs { "", " ", ",", '"', '""', "\n", "\r\n", "a\rb", "é", "\0", "x,y" } do
      rows[i] = { a = text, b = text .. "x" }
    end
    for _, separator in ipairs { ",", ";", "\t" } do
      local text = written(rows, { separator = separator })
      assert.are.same(rows, csv.parse(text, { separator = separator }))
    end
    rows = { { "" }, { "a" }, { "" } }
    assert.are.same(rows, csv.parse(written(rows), { header = false }))
  end)

  it("orders the columns as told, else by the names in the first row", function()
    assert.are.equal("b,a\n2,1\n,3\n", written({ { a = 1, b = 2 }, { a = 3, c = 4 } },
      { columns = { "b", "a" } }))
    assert.are.equal("a,b\n1,2\n", written { { b = 2, a = 1 } })
    assert.are.equal("1,2\n", written { { 1, 2 } })
    assert.are.equal("a,b\n1,2\n3,\n", written({ { 1, 2 }, { 3 } }, { columns = { "a", "b" } }))
    assert.are.equal("a\n", written({}, { columns = { "a" } }))
    assert.are.equal("", written {})
  end)

  it("writes numbers that read back as the same, and tables as JSON", function()
    local text = written({ { math.maxinteger, 0.1, 1e300, 2.0, true, json.null, { b = 1, a = {} },
      1 / 0 } })
    assert.are.equal('9223372036854775807,0.1,1e+300,2.0,true,,"{""a"":{},""b"":1}",inf\n', text)
    local writer <close> = csv.writer(dir .. "/b.csv", { columns = { "a" } })
    refused("usage", 'the value of "a" has no form in CSV', writer.write, writer, { a = print })
    refused("usage", "bad argument #1 to 'Writer:write'", writer.write, writer, "a")
    refused("usage", "is it called with ':'", writer.write, { "a" })
  end)

  it("keeps the order when many tasks write, and is closed once", function()
    local writer, tasks = csv.writer(dir .. "/a.csv"), {}
    local filler = ("x"):rep(1000)
    for t = 1, 8 do
      tasks[t] = function()
        for i = 1, 200 do
          writer:write { t, i, filler }
          if i % 50 == 0 then writer:flush() end
        end
      end
    end
    task.gather(tasks)
    writer:close()
    refused("closed", "", writer.write, writer, { 1 })
    local last, n = {}, 0
    for row in csv.rows(dir .. "/a.csv", { header = false }) do
      assert.are.equal((last[row[1]] or 0) + 1, tonumber(row[2]))
      last[row[1]] = tonumber(row[2])
      n = n + 1
    end
    assert.are.equal(1600, n)
    assert.are.equal("ENOENT", refused("fs", "", csv.writer, dir .. "/no/x").code)
  end)
end)
