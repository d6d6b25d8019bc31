-- Shows nothing of luapool: makes the gallery that `demo` serves and scrapes.
--
--     luapool run gallery.lua -- FOLDER PAGES IMAGES_PER_PAGE
--
-- FOLDER/cats/page-N.html, FOLDER/img/N.bmp. Of each page's images one answers 503 at first
-- (nginx's /flaky/), and each fifth page names one that is not there. The pages are as untidy as
-- real ones.

local folder, pages, per_page = ...
pages, per_page = tonumber(pages), tonumber(per_page)

local function write(path, bytes)
  local file = assert(io.open(folder .. "/" .. path, "wb"))
  file:write(bytes)
  file:close()
end

-- A square of 24-bit pixels, another one for each number.
local function bitmap(number)
  local side = 16 + number % 24
  local row = {}
  for x = 1, side do
    row[x] = string.char((x * number) % 256, number % 256, number // 256 % 256)
  end
  local line = table.concat(row) .. ("\0"):rep(-side * 3 % 4)
  local size = #line * side
  local header = string.pack("<c2I4I2I2I4I4i4i4I2I2I4I4i4i4I4I4", "BM", 54 + size, 0, 0, 54,
    40, side, side, 1, 24, 0, size, 2835, 2835, 0, 0)
  return header .. line:rep(side)
end

local function image(number, page, place)
  if place == 1 then return ("<img src='/flaky/img/%d.bmp'>"):format(number) end
  if place == 2 and page % 5 == 0 then return ("<img src=/img/missing-%d.bmp>"):format(page) end
  return ('<IMG class=thumb src="../img/%d.bmp" alt="cat & mouse">'):format(number)
end

local function links(page)
  local list = {}
  for _, n in ipairs { 1, page - 1, page + 1, pages } do
    if n >= 1 and n <= pages then
      table.insert(list, ('<a href="page-%d.html">%d</a>'):format(n, n))
    end
  end
  return table.concat(list, " … ")
end

os.execute(("mkdir -p '%s/cats' '%s/img'"):format(folder, folder))
for page = 1, pages do
  local html = { "<title>Cats, page ", page, "</title><body><div><p>" }
  for place = 1, per_page do
    local number = (page - 1) * per_page + place
    table.insert(html, image(number, page, place))
    if not html[#html]:find("missing") then write(("img/%d.bmp"):format(number), bitmap(number)) end
  end
  table.insert(html, "<p>" .. links(page))
  write(("cats/page-%d.html"):format(page), table.concat(html))
end
