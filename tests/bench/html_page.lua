-- Writes the page that html.sh parses, 230 KB: a catalogue with lists, tables, references, scripts.
--   luapool run tests/bench/html_page.lua -- FILE
local parts = { [[<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Catalogue &mdash; page 3</title>
<link rel="stylesheet" href="/s.css"><style>]] }
local function add(format, ...) parts[#parts + 1] = format:format(...) end

for i = 1, 60 do add("body .a-%d { margin: 0 auto; padding: 1px }\n", i) end
add "</style><script>"
for i = 1, 100 do add("var x%d = a < b && c > d;\n", i) end
add "</script></head>\n<body class=\"catalogue wide\"><div id=\"main\"><ul class=\"items\">\n"
for i = 1, 540 do
  add([[
<li class="item item-%d%s" data-id="%d"><a class="title" href="/item/%d?ref=list&amp;page=3"
  title="Item no. %d">Item number %d &ndash; caf&eacute;</a>
  <img src="/img/%d.jpg" alt="" width="120" height="90"><p class="text">Some <b>bold</b> text
  &amp; more of it, with <em>emphasis</em>, for item %d: naïve façade.<br>Second line</p>
  <span class="price" data-cents="%d">&euro;%d.%02d</span></li>
]], i, i % 3 == 0 and " sale" or "", i, i, i, i, i, i, i * 7, i, i % 100)
end
add "</ul><table><tr><th>k<th>v"
for i = 1, 100 do add("<tr><td>key %d<td>value", i) end
add "</table></div></body></html>\n"
local file <close> = assert(io.open(arg[1], "w"))
assert(file:write(table.concat(parts)))
