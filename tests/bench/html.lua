-- Microseconds of CPU to parse a page, and to parse it and ask 12 queries: of ten means of 20 runs
-- the best. What was parsed is given back meanwhile.
--   luapool run tests/bench/html.lua -- FILE PARSER
local html = require "luapool.html"

local file <close> = assert(io.open(arg[1]))
local text, parser = file:read "a", arg[2]

local QUERIES = {
  "//title/text()", "//a/@href", "//li[@class]", "//li[contains(@class, 'sale')]//a/text()",
  "count(//img)", "//*[@id='main']/ul/li[position() < 10]", "//table//tr/td[1]/text()",
  "//span[@data-cents > 2000]",
}
local SELECTORS = { "ul.items > li.sale", "#main p b", "a.title[href^='/item/5']", "td + td" }

local function best(f)
  local least = math.huge
  for _ = 1, 10 do
    local before = os.clock()
    for _ = 1, 20 do f() end
    least = math.min(least, (os.clock() - before) / 20)
  end
  return math.floor(least * 1e6)
end

local function parse() return html.parse(text, { parser = parser }) end

local function queries()
  local page = parse()
  for _, query in ipairs(QUERIES) do page:xpath(query) end
  for _, selector in ipairs(SELECTORS) do page:css(selector) end
end

print(best(parse), best(queries))
