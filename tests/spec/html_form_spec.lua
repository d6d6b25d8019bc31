-- Forms of pages: what their controls hold, what a user sets, and what is sent, to a real server.

local html = require "luapool.html"
local http = require "luapool.http"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local nginx = require "tests.support.nginx"

local FORM = [[
<form id=f action="/do?old=1" method=post>
<input type=hidden name=csrf value="t0k&amp;en"><input name=user value=ann><input name=empty>
<input type=password name=pass><input type=number name=age value=5><input value=nameless>
<input name=off value=1 disabled><input type=checkbox name=stay><input type=checkbox name=news
value=weekly checked><input type=checkbox name=tag value=a checked><input type=checkbox name=tag
value=b><input type=checkbox name=tag value=c checked><input type=radio name=size value=s><input
type=radio name=size value=m checked><input type=radio name=size value=l>
<input type=hidden name=agree value=0><input type=checkbox name=agree value=1>
<select name=land><option value=de>Germany</option><option value=at selected>Austria<option>Italy
<option value=xx disabled>None</select>
<select name=many multiple><option selected>1<option>2<option selected>3</select>
<select name=first><option>one<option>two</select><select name=list size=3><option>x</select>
<textarea name=text>
two
lines</textarea><fieldset disabled><legend><input name=legend value=1></legend><input name=inner
value=2></fieldset><datalist><input name=hint></datalist><input type=file name=photo>
<input type=reset name=r value=r><button type=button name=b>b</button>
<input type=submit name=go value=Save disabled><button name=go value=now>Go now</button>
<button name=go value=later formaction=/later formmethod=get>Later</button>
<input type=image name=map src=m.png></form><input form=f name=outside value=o>
<input form=other name=elsewhere value=o>]]

local BASE = "http://h/dir/page?x=1#top"

local function fresh() return html.parse(FORM, { base_url = BASE }):form() end

local function refused(what, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, "usage"), tostring(e))
  assert.matches(what, tostring(e), 1, true)
end

local function body_of(form, button)
  local _, _, opts = form:request(button)
  return opts.body
end

describe("a form", function()
  it("has the fields that a browser would send", function()
    local form = fresh()
    assert.are.same({ csrf = "t0k&en", user = "ann", empty = "", pass = "", age = "5",
      news = "weekly",
      tag = { "a", "c" }, size = "m", agree = "0", land = "at", many = { "1", "3" }, first = "one",
      text = "two\nlines", legend = "1", outside = "o" }, form.fields)
    assert.are.equal("POST", form.method)
    assert.are.equal("http://h/do?old=1", form.action)
    assert.are.equal("application/x-www-form-urlencoded", form.enctype)
    assert.are.equal("f", form.node:attr "id")
  end)

  it("is sent in the order of the page, with its first button", function()
    local method, address, opts = fresh():request()
    assert.are.equal("POST", method)
    assert.are.equal("http://h/do?old=1", address)
    assert.are.equal("csrf=t0k%26en&user=ann&empty=&pass=&age=5&news=weekly&tag=a&tag=c&size=m"
      .. "&agree=0&land=at&many=1&many=3&first=one&text=two%0D%0Alines&legend=1&outside=o"
      .. "&go=now", opts.body)
    assert.are.same({ ["Content-Type"] = "application/x-www-form-urlencoded",
      Referer = "http://h/dir/page?x=1" }, opts.headers)
  end)

  it("is sent with the button that is said", function()
    local form = html.parse("<form action=x><button name=a value=1>One</button>"
      .. "<button name=b id=two value=2>Two</button><input type=image name=p><input type=image>"
      .. "<input type=submit value=Plain>", { base_url = BASE }):form()
    local function sent(button) return (select(2, form:request(button)):match "%?(.*)$") end
    assert.are.equal("a=1", sent(nil))
    assert.are.equal("", sent(false))
    for _, name in ipairs { "b", "two", "2", "Two" } do assert.are.equal("b=2", sent(name)) end
    assert.are.equal("b=2", sent(form.node:first "#two"))
    assert.are.equal("p.x=0&p.y=0", sent "p")
    assert.are.equal("x=0&y=0", sent(form.node:css("input")[2]))
    assert.are.equal("", sent "Plain")
    refused("no button \"c\"", form.request, form, "c")
    refused("Form:submit: no button", form.submit, form, http, "c")
    refused("no button", form.request, form, form.node)
  end)

  it("is sent as its button says", function()
    local method, address, opts = fresh():request "later"
    assert.are.equal("GET", method)
    assert.matches("^http://h/later%?csrf=t0k%%26en&.*&go=later$", address)
    assert.is_nil(opts.body)
    assert.is_nil(opts.headers["Content-Type"])
  end)

  it("is found by a selector, also by something inside", function()
    local page = html.parse "<form id=a><input name=x></form><p>n</p><form id=b><i>y</i></form>"
    assert.are.equal("a", page:form().node:attr "id")
    assert.are.equal("b", page:form("#b").node:attr "id")
    assert.are.equal("b", page:form("form i").node:attr "id")
    assert.are.equal("b", page:first("#b"):form().node:attr "id")
    assert.is_nil(page:form "p")
    assert.is_nil(page:form "#c")
    assert.is_nil(page:first("p"):form())
    refused("finds texts", page.form, page, "p::text")
  end)

  it("knows where it is sent to", function()
    local function action(markup, base)
      return html.parse(markup, { base_url = base }):form().action
    end
    assert.are.equal("http://h/dir/page?x=1", action("<form>", BASE))
    assert.are.equal("http://h/dir/page?x=1", action("<base href=/b/><form action=' '>", BASE))
    assert.are.equal("http://h/b/do", action("<base href=/b/><form action='do'>", BASE))
    assert.are.equal("http://o/", action("<form action='//o/'>", BASE))
    assert.are.equal("do", action("<form action=do>"))
    assert.are.equal("", action("<form>"))
    local _, address = html.parse("<form action='a?b=1#c'><input name=q value='ä &+*~'>",
      { base_url = BASE }):form():request()
    assert.are.equal("http://h/dir/a?q=%C3%A4+%26%2B*%7E", address)
  end)

  it("says its page to servers of the same origin alone, and keeps given headers", function()
    local function headers(action, opts)
      local text = "<form method=post action=" .. action .. ">"
      local form = html.parse(text, { base_url = BASE }):form()
      return select(3, form:request(nil, opts)).headers
    end
    assert.are.equal("http://h/dir/page?x=1", headers("x").Referer)
    assert.is_nil(headers("http://other/").Referer)
    assert.is_nil(headers("https://h/").Referer)
    local given = headers("x", { headers = { referer = "http://r/", ["X-A"] = "1" }, timeout = 3 })
    assert.are.same({ referer = "http://r/", ["X-A"] = "1",
      ["Content-Type"] = "application/x-www-form-urlencoded" }, given)
  end)

  it("whose table holds it directly has the controls beside it", function()
    for _, parser in ipairs { "html", "html5" } do
      local page = html.parse("<table><form id=t><tr><td><input name=a value=1></td></tr>"
        .. "</form></table><form><input name=b></form>", { parser = parser })
      assert.are.same({ a = "1" }, page:form().fields, parser)
    end
  end)
end)

describe("a field of a form", function()
  it("that is a text takes any", function()
    local form = fresh():set("user", "bob"):set("age", 7):set("text", "a\r\nb\nc"):set("pass", nil)
    assert.are.equal("bob", form.fields.user)
    assert.matches("user=bob&empty=&age=7&", body_of(form), 1, true)
    assert.matches("text=a%0D%0Ab%0D%0Ac&", body_of(form), 1, true)
    refused("field 'user': a text expected, got a table", form.set, form, "user", { {} })
    refused("field 'user': a text expected, got true", form.set, form, "user", true)
  end)

  it("that is a checkbox takes true and false, or its value", function()
    local form = fresh()
    assert.are.equal("on", form:set("stay", true).fields.stay)
    assert.is_nil(form:set("stay", false).fields.stay)
    assert.are.equal("on", form:set("stay", "on").fields.stay)
    assert.are.same({ "0", "1" }, form:set("agree", true).fields.agree)
    assert.are.equal("0", form:set("agree", false).fields.agree)
    assert.are.same({ "a", "b" }, form:set("tag", { "b", "a" }).fields.tag)
    assert.are.equal("b", form:set("tag", "b").fields.tag)
    assert.is_nil(form:set("tag", {}).fields.tag)
    refused("which of \"a\", \"b\", \"c\"?", form.set, form, "tag", true)
    refused("one of \"a\", \"b\", \"c\" expected, got \"d\"", form.set, form, "tag", { "a", "d" })
  end)

  it("that is a radio button or a select takes one of its values", function()
    local form = fresh()
    assert.are.equal("l", form:set("size", "l").fields.size)
    assert.are.equal("de", form:set("land", "Germany").fields.land)
    assert.are.equal("Italy", form:set("land", "Italy").fields.land)
    assert.are.same({ "2", "3" }, form:set("many", { 2, "3" }).fields.many)
    assert.are.equal("2", form:set("many", "2").fields.many)
    assert.are.equal("x", form:set("list", "x").fields.list)
    refused("only one can be chosen", form.set, form, "size", { "s", "l" })
    refused("only one can be chosen", form.set, form, "land", { "de", "at" })
    refused("one of \"de\", \"at\", \"Italy\" expected, got \"xx\"", form.set, form, "land", "xx")
    refused("expected, got true", form.set, form, "size", true)
    local many = {}
    for i = 1, 30 do many[i] = "<option>" .. i end
    local long = html.parse("<form><select name=s>" .. table.concat(many)):form()
    refused("\"8\", … expected", long.set, long, "s", "31")
  end)

  it("that the page does not have is added by an assignment alone", function()
    local form = fresh()
    refused("Form:set: no field 'usr' (did you mean 'user'?)", form.set, form, "usr", "x")
    refused("no field 'inner'", form.set, form, "inner", "x")
    form.fields.zz, form.fields.added, form.fields.user = "2", { 1, true }, nil
    local sent = "^csrf=t0k%%26en&empty=.*&outside=o&added=1&added=true&zz=2&go=now$"
    assert.matches(sent, body_of(form))
    form.fields.odd = { {} }
    refused("Form:request: field 'odd': a text or a file expected", form.request, form)
    form.fields.odd, form.fields[1] = nil, "x"
    refused("names of fields are strings", form.request, form)
  end)

  it("is chosen as the standard says where a page is careless", function()
    local form = html.parse [[<form><input type=radio name=r value=1 checked>
      <input type=RADIO name=r value=2 checked>
      <select name=s><option selected>1<option selected>2</select><select name=d>
      <option disabled>1<option>2</select><select name=o><optgroup disabled><option>1</optgroup>
      <option>2</select><select name=none></select>
      <input type=hidden name=_charset_ value=x>]]:form()
    assert.are.same({ r = "2", s = "2", d = "2", o = "2", _charset_ = "UTF-8" }, form.fields)
  end)
end)

describe("a form that is submitted", function()
  local server, dir

  setup(function()
    server, dir = nginx.start(), fs.tempdir()
    fs.write(dir .. "/p.png", "PNG")
  end)

  teardown(function()
    http.close()
    server:stop()
    dir:close()
  end)

  local function form_of(markup)
    return html.parse(markup, { base_url = server.url .. "/a/b" }):form()
  end

  it("arrives as a query", function()
    local echo = form_of("<form action=/echo><input name=q><input name=x value=1>")
      :set("q", "ä b"):submit(http):json()
    assert.are.equal("GET", echo.method)
    assert.are.same({ q = "ä b", x = "1" }, echo.args)
    assert.are.equal(server.url .. "/a/b", echo.headers.referer)
  end)

  it("arrives as a body, through a client with its cookies", function()
    local client <close> = http.client { base_url = server.url }
    client:get "/cookie/session/s1"
    local form = form_of("<form action=/echo method=POST><input type=hidden name=token value=t>"
      .. "<input name=user>"):set("user", "ann")
    local echo = form:submit(client, nil, { headers = { ["X-Mine"] = "1" } }):json()
    assert.are.equal("POST", echo.method)
    assert.are.equal("token=t&user=ann", echo.body)
    assert.are.equal("application/x-www-form-urlencoded", echo.headers["content-type"])
    assert.are.equal("session=s1", echo.headers.cookie)
    assert.are.equal("1", echo.headers["x-mine"])
    assert.are.equal("POST", form:submit(client, nil, { timeout = 10 }):json().method)
  end)

  it("arrives in parts, with files", function()
    local form = form_of [[<form action=/body method=post enctype=multipart/form-data>
      <input name=a value=1><input type=file name=f><input type=file name=g multiple>
      <button name=go value=x>go</button>]]
    form:set("f", { file = dir .. "/p.png", content_type = "image/png" })
    form:set("g", { { data = "one", filename = "1.txt" }, { data = "two", filename = "2.txt" } })
    local body = form:submit(http).body
    assert.matches('name="a"\r\n\r\n1\r\n', body, 1, true)
    assert.matches('name="f"; filename="p.png"\r\nContent-Type: image/png\r\n\r\nPNG', body, 1,
      true)
    assert.matches('name="g"; filename="1.txt"', body, 1, true)
    assert.matches('name="g"; filename="2.txt"', body, 1, true)
    assert.matches('name="go"\r\n\r\nx\r\n', body, 1, true)
    refused("{ file = path } or { data =, filename = } expected", form.set, form, "f", "p.png")
    local plain = form_of "<form action=/body method=post><input type=file name=f>"
    plain:set("f", { data = "x" })
    refused("the form takes no files", plain.submit, plain, http)
  end)

  it("arrives as text where the page wants that, and empty where there is nothing", function()
    assert.are.equal("a=1 2\r\nb=\r\n", form_of([[<form action=/body method=post enctype=text/plain>
      <input name=a value="1 2"><input name=b>]]):submit(http).body)
    assert.are.equal("", form_of("<form action=/body method=post>"):submit(http).body)
    assert.are.equal("", form_of(
      "<form action=/body method=post enctype=multipart/form-data>"):submit(http).body)
  end)

  it("is found in a response", function()
    server:file("login.html", "<form action=echo><input name=q value=1></form>")
    local res = http.get(server.url .. "/login.html")
    assert.are.same({ q = "1" }, res:html():form():submit(http):json().args)
  end)

  it("needs a client", function()
    refused("a client of luapool.http", form_of("<form>").submit, form_of("<form>"))
    refused("a client of luapool.http", form_of("<form>").submit, form_of("<form>"), {})
  end)
end)
