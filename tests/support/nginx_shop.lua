-- A small shop inside the test server, for the examples: an API, an account behind a form, uploads.
-- /shop/NAME/REST is the function NAME, REST its argument.

local M = {}
local counters = ngx.shared.counters

local TOKEN, USER, PASSWORD = "s3cret", "ann", "open sesame"
local PAGES, PER_PAGE, PER_SECOND = 7, 5, 20

local function answer(status, text, content_type)
  ngx.status = status
  ngx.header.content_type = content_type or "text/html"
  ngx.header.content_length = #text
  ngx.print(text)
end

-- /shop/api/items?page=N: a page of items and the path of the next one, for who has the token; 429
-- for who asks more than 20 times in a second. /shop/api/refused: how often that was.
function M.api(rest)
  if rest == "refused" then return answer(200, tostring(counters:get "shop refused" or 0)) end
  if ngx.var.http_authorization ~= "Bearer " .. TOKEN then return answer(401, "no token") end
  if counters:incr("shop " .. math.floor(ngx.now()), 1, 0) > PER_SECOND then
    counters:incr("shop refused", 1, 0)
    ngx.header.retry_after = 1
    return answer(429, "slower")
  end
  local page, items = tonumber(ngx.var.arg_page) or 1, {}
  for i = 1, PER_PAGE do
    local id = (page - 1) * PER_PAGE + i
    items[i] = ('{"id":%d,"name":"Item %d","price":%d.5}'):format(id, id, id)
  end
  local following = page < PAGES and ('"/shop/api/items?page=%d"'):format(page + 1) or "null"
  answer(200, ('{"items":[%s],"next":%s}'):format(table.concat(items, ","), following),
    "application/json")
end

local function cookie(name) return ngx.var["cookie_" .. name] end

-- What a form of this session must bring along.
local function csrf() return ngx.md5("csrf " .. (cookie "session" or "")) end

-- /shop/login: a form with a hidden token, for the session of a cookie. Who posts it with the right
-- password is led to /shop/account.
function M.login()
  if ngx.req.get_method() == "GET" then
    local session = cookie "session" or ngx.md5(ngx.now() .. ngx.var.connection)
    ngx.header.set_cookie = "session=" .. session .. "; Path=/; HttpOnly"
    return answer(200, ('<form method=post action="/shop/login"><input type=hidden name=csrf '
      .. 'value="%s"><input name=user><input type=password name=password>'
      .. '<button name=go value=1>Log in</button></form>'):format(ngx.md5("csrf " .. session)))
  end
  ngx.req.read_body()
  local form = ngx.req.get_post_args()
  if not cookie "session" or form.csrf ~= csrf() then return answer(403, "forged") end
  if form.user ~= USER or form.password ~= PASSWORD then return answer(403, "wrong password") end
  counters:set("shop user " .. cookie "session", USER)
  ngx.header.location = "/shop/account"
  answer(303, "")
end

-- /shop/account: the orders of who has logged in; others are led to /shop/login.
function M.account()
  if not counters:get("shop user " .. (cookie "session" or "")) then
    ngx.header.location = "/shop/login"
    return answer(302, "")
  end
  answer(200, "<h1>Orders</h1><table id=orders><tr><th>No<th>Sum<tr><td>17<td>3.50"
    .. "<tr><td>23<td>99.00</table>")
end

local function body()
  ngx.req.read_body()
  local path = ngx.req.get_body_file()
  if not path then return ngx.req.get_body_data() or "" end
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- /shop/upload: names, sizes and MD5 of the parts that came, one on a line.
function M.upload()
  local boundary = (ngx.var.http_content_type or ""):match "boundary=([^;]+)"
  if not boundary then return answer(400, "no form") end
  local lines, text, at = {}, body(), 1
  local mark = "--" .. boundary:gsub('"', "")
  while true do
    local head = select(2, text:find(mark .. "\r\n", at, true))
    local from = head and select(2, text:find("\r\n\r\n", head, true))
    if not from then break end
    local to = assert(text:find("\r\n" .. mark, from, true))
    local data, named = text:sub(from + 1, to - 1), text:sub(head, from)
    lines[#lines + 1] = ("%s %s %d %s"):format(named:match ' name="([^"]*)"',
      named:match 'filename="([^"]*)"' or "-", #data, ngx.md5(data))
    at = to
  end
  answer(201, table.concat(lines, "\n") .. "\n", "text/plain")
end

-- /shop/cut/NAME: the file NAME, of which the first answers are cut: each has 100,000 bytes more
-- than it should begin with, until one is whole. It knows ranges, also those with If-Range.
function M.cut(name)
  local file = assert(io.open(ngx.var.document_root .. "/" .. name, "rb"))
  local text = file:read "*a"
  file:close()
  local etag = '"' .. ngx.md5(text) .. '"'
  local from = (ngx.var.http_range or ""):match "^bytes=(%d+)%-$"
  local same = not ngx.var.http_if_range or ngx.var.http_if_range == etag
  from = same and tonumber(from) or 0
  if from > 0 then
    ngx.status = 206
    ngx.header.content_range = ("bytes %d-%d/%d"):format(from, #text - 1, #text)
  end
  counters:incr("shop asked for " .. name, 1, 0)
  ngx.header.etag, ngx.header.content_length = etag, #text - from
  ngx.print(text:sub(from + 1, from + 100000))
  if from + 100000 >= #text then return end
  ngx.flush(true)
  ngx.exit(444)
end

-- /shop/asked/NAME: how often /shop/cut/NAME was.
function M.asked(name) answer(200, tostring(counters:get("shop asked for " .. name) or 0)) end

--- Answers a request.
function M.serve(path)
  local name, rest = path:match "^(%l+)/?(.*)$"
  if not M[name] or name == "serve" then return answer(404, "no such page") end
  M[name](rest)
end

return M
