-- What luapool.html reads out of a page as a whole: tables, metadata, links.

local html = require "luapool.html"
local errors = require "luapool.error"

local function rows_of(text, opts)
  local rows, names = html.parse(text):table(opts)
  if opts then return rows, names end
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = table.concat(row, ",") end
  return table.concat(lines, ";"), table.concat(names, ",")
end

describe("a table", function()
  it("has rows of texts", function()
    local rows, names = rows_of [[<table><caption>c</caption><tr><th>a<th>b
      <tr><td> 1  <b>x</b>&nbsp;y <td>2<tr><td>3<br>4<td></table>]]
    assert.are.equal("a,b;1 x y,2;34,", rows)
    assert.are.equal("a,b", names)
    assert.are.equal("1,2", (rows_of "<table><tr><td>1<td>2</table>"))
    assert.are.equal("", (rows_of "<table></table>"))
    assert.are.equal("", (rows_of "<table><tr></tr></table>"))
  end)

  it("has cells that span columns and rows in each place", function()
    assert.are.equal("a,a,b;1,2,3", (rows_of
      "<table><tr><td colspan=2>a<td>b<tr><td>1<td>2<td>3</table>"))
    assert.are.equal("a,b;a,2;a,3", (rows_of
      "<table><tr><td rowspan=3>a<td>b<tr><td>2<tr><td>3</table>"))
    assert.are.equal("a,a,b;a,a,1;2,3,4", (rows_of
      "<table><tr><td colspan=2 rowspan=2>a<td>b<tr><td>1<tr><td>2<td>3<td>4</table>"))
    assert.are.equal("a,b,c;d,b,e;f,b,", (rows_of
      "<table><tr><td>a<td rowspan=3>b<td>c<tr><td>d<td>e<tr><td>f</table>"))
    assert.are.equal("a,b,c;1,,c", (rows_of
      "<table><tr><td>a<td>b<td rowspan=2>c<tr><td>1</table>"))
    assert.are.equal("a,b;a,;a,", (rows_of
      "<table><tr><td rowspan=0>a<td>b<tr></tr><tr></tr></table>"))
    assert.are.equal("a,b;1,2", (rows_of
      "<table><tr><td rowspan=x colspan=0>a<td colspan=-1>b<tr><td>1<td>2</table>"))
  end)

  it("has groups, in which spans end", function()
    local text = [[<table><tfoot><tr><td>sum<td>3</tfoot><thead><tr><th rowspan=9>k<th>v</thead>
      <tbody><tr><td rowspan=5>a<td>1</tbody><tbody><tr><td>b<td>2</tbody></table>]]
    local rows, names = rows_of(text)
    assert.are.equal("k,v;a,1;b,2;sum,3", rows)
    assert.are.equal("k,v", names)
  end)

  it("has rows by the names of the columns", function()
    local rows, names = rows_of([[<table><thead><tr><th colspan=2>name<th rowspan=2>age
      <tr><th>first<th>last</thead><tr><td>Ann<td>Lee<td>7<tr><td>Bob</table>]], { header = true })
    assert.are.same({ "name first", "name last", "age" }, names)
    assert.are.same({ { ["name first"] = "Ann", ["name last"] = "Lee", age = "7" },
      { ["name first"] = "Bob", ["name last"] = "", age = "" } }, rows)
    local twice = "<table><tr><td>a<td>b<td>a<td><tr><td>1<td>2<td>3<td>4</table>"
    rows = rows_of(twice, { header = true })
    assert.are.same({ { a = "1", b = "2" } }, rows)
    rows, names = rows_of("<table><tr><td>1<td>2</table>", { header = false })
    assert.are.same({ { "1", "2" } }, rows)
    assert.are.same({ "", "" }, names)
    assert.are.same({}, (rows_of("<table></table>", { header = true })))
  end)

  it("is alone where tables nest", function()
    local text = "<table id=o><tr><td>a<table id=i><tr><td>x<td>y</table><td>b</table>"
    assert.are.equal("axy,b", (rows_of(text)))
    assert.are.same({ { "x", "y" } }, (html.parse(text):first("#i"):table()))
    assert.is_nil(html.parse("<p>"):table())
    assert.are.same({ { "1" } },
      (html.parse("<table><tr><td>1</table>", { parser = "html5" }):table()))
  end)

  it("covers no more places than a page can mean", function()
    local wide = "<table>" .. ("<tr><td colspan=1000>x" .. ("<td colspan=999999>y"):rep(9)):rep(200)
    local ok, e = pcall(function() return html.parse(wide):table() end)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "too_large"), tostring(e))
    local deep = "<table>" .. ("<tr>" .. ("<td rowspan=65534>x"):rep(5)):rep(1000)
    ok, e = pcall(function() return html.parse(deep):table() end)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "too_large"), tostring(e))
    assert.are.equal(1000, #html.parse("<table><tr><td colspan=2000>x"):table()[1])
  end)
end)

describe("metadata", function()
  local page = html.parse([=[<html lang=en-GB><head><title> A
      title </title><meta name=Description content=" About it "><meta name=description content=no>
    <link rel="shortlink CANONICAL" href="/a/b"><meta property=og:title content=T>
    <meta property=og:image content=1.png><meta property=og:image content=2.png>
    <meta property=og:image:width content=10><meta name=twitter:card content=summary>
    <script type="application/ld+json">{"@type": "Article", "n": 1}</script>
    <script type="application/ld+json; charset=utf-8"><!--
      [{"@type": "A"}, {"@type": "B"}] --></script>
    <script type=application/ld+json>//<![CDATA[
      {"big": 123456789012345678901234567890}
      //]]></script><script type=application/ld+json>{broken</script></head>
    <body><svg><title>no</title></svg>]=], { base_url = "http://h/x/" })

  it("is what a page says about itself", function()
    local about = page:metadata()
    assert.are.equal("A title", about.title)
    assert.are.equal("About it", about.description)
    assert.are.equal("http://h/a/b", about.canonical)
    assert.are.equal("en-GB", about.lang)
    assert.are.same({ title = "T", image = { "1.png", "2.png" }, ["image:width"] = "10" }, about.og)
    assert.are.same({ card = "summary" }, about.twitter)
    assert.are.equal(3, #about.json_ld)
    assert.are.same({ ["@type"] = "Article", n = 1 }, about.json_ld[1])
    assert.are.equal("B", about.json_ld[2][2]["@type"])
    assert.are.equal("number", type(about.json_ld[3].big))
    assert.are.same(about, page:first("body"):metadata())
  end)

  it("is little of a page that says nothing", function()
    assert.are.same({ og = {}, twitter = {}, json_ld = {} }, html.parse("<p>"):metadata())
    assert.are.same({ og = {}, twitter = {}, json_ld = {} }, html.parse(""):metadata())
  end)
end)

describe("links", function()
  local page = html.parse([[<a href=a>1</a><a href="HTTPS://o/b">2</a><a href="mailto:x@y">3</a>
    <a href=" javascript:void 0">4</a><img src=no.png
    srcset="s.png 1x, t,u.png 2x,v.png 100w , w.png,">
    <picture><source srcset="/p.webp"><img></picture><a>n</a><area href="ftp://f/">]],
    { base_url = "http://h/d/" })

  local function links(opts) return table.concat(page:links(opts), " ") end

  it("are of the schemes that are wanted", function()
    assert.are.equal("http://h/d/a HTTPS://o/b mailto:x@y ftp://f/", links())
    assert.are.equal("http://h/d/a HTTPS://o/b", links { schemes = { "http", "https" } })
    assert.are.equal("mailto:x@y", links { schemes = { "MailTo" } })
    assert.are.equal("javascript:void%200", links { schemes = { "javascript" } })
    assert.are.equal("", links { schemes = {} })
    assert.are.same({ "a" }, html.parse("<a href=a><a href=b:c>"):links { schemes = { "http" } })
  end)

  it("are those of pictures, too, where that is wanted", function()
    assert.are.equal("http://h/d/a HTTPS://o/b http://h/d/s.png http://h/d/t,u.png "
      .. "http://h/d/v.png http://h/d/w.png http://h/p.webp",
      links { srcset = true, schemes = { "http", "https" } })
    assert.are.same({ "http://h/p.webp" }, page:first("source"):links { srcset = true })
    assert.are.same({}, page:first("source"):links())
  end)
end)
