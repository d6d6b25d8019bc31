-- luapool.charset.core: in which charset a document is, and what becomes of wrong bytes.

local internal = require "tests.support.internal"
local core = internal "luapool.charset.core"

local function read(text, label, kind)
  local decoded, name = core.to_utf8(text, label, kind)
  return name .. " " .. decoded:gsub("<[^>]*>", "")
end

-- What to_utf8 finds in a page whose text is two letters that windows-1251 and UTF-8 tell apart.
local function charset_of(markup, label, kind)
  return (select(2, core.to_utf8(markup .. "\xCF\xF0", label, kind)))
end

local LATIN, CYRILLIC = "windows-1252", "windows-1251"

describe("the charset of a document", function()
  it("is that of its byte order mark before all else", function()
    assert.are.equal("utf-8 é", read("\u{FEFF}é", CYRILLIC))
    assert.are.equal("utf-16le é", read("\xFF\xFE\xE9\0", "utf-8"))
    assert.are.equal("utf-16be é", read("\xFE\xFF\0\xE9", "utf-8"))
    assert.are.equal("utf-32le é", read("\xFF\xFE\0\0\xE9\0\0\0"))
    assert.are.equal("utf-32be é", read("\0\0\xFE\xFF\0\0\0\xE9"))
  end)

  it("is what the caller was told, before what the page says", function()
    assert.are.equal("windows-1251 Пр", read("<title>\xCF\xF0", CYRILLIC))
    assert.are.equal("utf-8 При", read("<meta charset=windows-1251>При", "utf-8"))
    assert.are.equal(CYRILLIC, charset_of("<meta charset=windows-1251>", "no such charset"))
    assert.are.equal(CYRILLIC, charset_of("", " Windows-1251\n"))
  end)

  it("is what a meta element says", function()
    for _, page in ipairs {
      "<meta charset=windows-1251>", "<META CHARSET = 'Windows-1251' >",
      "<meta name=x charset=\"cp1251\"/>", "<meta/charset=windows-1251>",
      "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>",
      "<meta content=\"text/html;charset='windows-1251'\" http-equiv='content-type'>",
      "<meta http-equiv=content-type content='text/html charset = win-1251'>",
      "<meta charset=nothing><meta charset=windows-1251>",
      "<title>a</title><script>1</script><meta charset=windows-1251>",
      "<!DOCTYPE html><html lang=ru><!-- a > b --><meta charset=windows-1251>",
      "<!--><meta charset=windows-1251>", "<body><meta charset=windows-1251>",
      "<?xml version='1.0'?><meta charset=windows-1251>",
    } do assert.are.equal(CYRILLIC, charset_of(page), page) end
  end)

  it("is in no comment, script, title, description or other attribute", function()
    for _, page in ipairs {
      "<!-- <meta charset=windows-1251> -->", "<script>'<meta charset=windows-1251>'</script>",
      "<style><meta charset=windows-1251></style>", "<title><meta charset=windows-1251></title>",
      "<textarea><meta charset=windows-1251></textarea>", "<p>charset=windows-1251",
      "<meta name=description content='text/html; charset=windows-1251'>",
      "<meta http-equiv=refresh content='0; charset=windows-1251'>",
      "<meta content='charset=windows-1251'>", "<meta name='<meta charset=windows-1251>'>",
      "<a title='<meta charset=windows-1251>'>", "<meta data-charset=windows-1251>",
      "<metadata charset=windows-1251>", "</meta charset=windows-1251>",
      "<meta charset=nothing>", "<meta charset>", "<meta charset=", "<meta", "<!--", "<",
      "<script>", "<a b='", "<?xml encoding='windows-1251'", "<xml encoding='windows-1251'?>",
    } do assert.are.equal(LATIN, charset_of(page), page) end
  end)

  it("is looked for in the whole head, however long, and nowhere behind it", function()
    local meta, filler = "<meta charset=windows-1251>", ("x"):rep(50000)
    assert.are.equal(CYRILLIC, charset_of("<head><style>" .. filler .. "</style>" .. meta))
    assert.are.equal(CYRILLIC, charset_of("<head><!--" .. filler .. "-->" .. meta))
    assert.are.equal(CYRILLIC, charset_of("<head>" .. ("<link href=x>"):rep(9000) .. meta))
    assert.are.equal(LATIN, charset_of("<body><p>" .. filler .. "<p>" .. meta))
  end)

  it("is what an XML declaration says", function()
    local declared = "<?xml version='1.0' encoding='windows-1251'?><a>"
    assert.are.equal(CYRILLIC, charset_of(declared))
    assert.are.equal(CYRILLIC, charset_of(declared, nil, "xml"))
    assert.are.equal(CYRILLIC, charset_of('\n<?xml encoding = "cp1251" ?><a>', nil, "xml"))
    assert.are.equal(LATIN, charset_of(declared, nil, "text"))
    assert.are.equal(LATIN, charset_of("<meta charset=windows-1251>", nil, "xml"))
    assert.are.equal(LATIN, charset_of("<meta charset=windows-1251>", nil, "text"))
    assert.are.equal(LATIN, charset_of("<a><?xml encoding='windows-1251'?>", nil, "xml"))
  end)

  it("is UTF-16 when the zero bytes say so, and not when only the page does", function()
    local page = "<p>caf\u{E9} no mark"
    local function units(format)
      return (page:gsub(utf8.charpattern, function(c) return format:pack(utf8.codepoint(c)) end))
    end
    local little, big = units "<I2", units ">I2"
    assert.are.equal("utf-16le café no mark", read(little))
    assert.are.equal("utf-16be café no mark", read(big))
    assert.are.equal("utf-16be café no mark", read(big, "utf-16"))
    assert.are.equal("utf-16le \u{4E2D}\u{6587}", read("\x2D\x4E\x87\x65", "utf-16"))
    assert.are.equal("utf-8 é", read "<meta charset=utf-16>é")
    assert.are.equal("utf-8 é", read("<?xml version='1.0' encoding='UTF-16'?>é", nil, "xml"))
    assert.are.equal("utf-8 a\0é", read "a\0é")
  end)

  it("is UTF-8 when nothing is said and it fits, else windows-1252", function()
    assert.are.equal("utf-8 ", read "")
    assert.are.equal("utf-8 é", read "é")
    assert.are.equal("windows-1252 caf\u{E9} \u{201C}q\u{201D}", read "caf\xE9 \x93q\x94")
    assert.are.equal("windows-1252 caf\u{E9}", read "caf\xE9")
    assert.are.equal("windows-1252 \u{C3}\u{A9} \u{E9}x", read "é \xE9x")
  end)

  it("stays UTF-8 when one character of many is wrong or cut", function()
    assert.are.equal("utf-8 café 中文 \u{FFFD}x\u{FFFD}",
      read "café 中文 \xE9x\xF0\x9F\x98")
    assert.are.equal("utf-8 é\u{FFFD}", read "é\xF0\x9F\x98")
    assert.are.equal("utf-8 café 中文 cut \u{FFFD}", read("café 中文 cut \xF0\x9F\x98", "utf-8"))
  end)
end)

describe("labels", function()
  for label, expected in pairs {
    ["x-sjis"] = "shift_jis テ\xEF\xBD\xB1", ["Shift-JIS"] = "shift_jis テ\xEF\xBD\xB1",
    ["windows-31j"] = "shift_jis テ\xEF\xBD\xB1",
  } do
    it("know " .. label, function() assert.are.equal(expected, read("\x83e\xB1", label)) end)
  end
  for label, case in pairs {
    ["x-gbk"] = { "gbk", "\xD6\xD0", "中" }, ["gb2312"] = { "gbk", "\x80\xD6\xD0", nil },
    ["GB18030"] = { "gb18030", "\x81\x30\x81\x30", "\u{80}" },
    ["big5"] = { "big5", "\xA4\xA4", "中" }, ["euc-kr"] = { "euc-kr", "\xC7\xD1", "한" },
    ["ks_c_5601-1987"] = { "euc-kr", "\x8C\x63", "똠" },
    ["euc-jp"] = { "euc-jp", "\xA5\xC6", "テ" },
    ["iso-2022-jp"] = { "iso-2022-jp", "\x1B$B%F\x1B(B!", "テ!" },
    ["x-mac-roman"] = { "macintosh", "\x8E", "é" }, ["mac"] = { "macintosh", "\x8E", "é" },
    ["x-mac-cyrillic"] = { "x-mac-cyrillic", "\x80", "А" },
    ["iso-8859-8-i"] = { "iso-8859-8-i", "\xE0", "א" },
    ["logical"] = { "iso-8859-8-i", "\xE0", "א" },
    ["windows-1255"] = { "windows-1255", "\xE0", "א" },
    ["windows-1258"] = { "windows-1258", "a\xEC", "á" },
    ["latin1"] = { "windows-1252", "\x80", "€" },
    ["ISO-8859-1"] = { "windows-1252", "\x93", "\u{201C}" },
    ["us-ascii"] = { "windows-1252", "\xE9", "é" },
    ["iso-8859-9"] = { "windows-1254", "\xF0", "ğ" },
    ["iso-8859-15"] = { "iso-8859-15", "\xA4", "€" },
    ["tis-620"] = { "windows-874", "\xA1", "ก" },
    ["koi8-r"] = { "koi8-r", "\xF0", "П" }, ["koi8-u"] = { "koi8-u", "\xA4", "є" },
    ["cp866"] = { "ibm866", "\x8F", "П" }, ["unicode-1-1-utf-8"] = { "utf-8", "é", "é" },
  } do
    it("know " .. label, function()
      local decoded, name = core.to_utf8(case[2], label)
      assert.are.equal(case[1], name)
      if case[3] then assert.are.equal(case[3], decoded) end
    end)
  end

  it("choose no converter that browsers do not have", function()
    for _, label in ipairs { "ISO-2022-CN-EXT", "UTF-7", "EBCDIC-US", "WCHAR_T", "../../etc", "",
      " ", "utf-8//IGNORE", "utf-8 x", ("a"):rep(1000), "caf\u{E9}" } do
      assert.are.equal("utf-8 é", read("é", label))
    end
  end)
end)

describe("wrong bytes", function()
  -- As the encoding standard has it: one U+FFFD for the longest part that could be a character.
  for bytes, expected in pairs {
    ["a\x80b"] = "a\u{FFFD}b", ["\xC0\xAF"] = "\u{FFFD}\u{FFFD}", ["\xE3\x81"] = "\u{FFFD}",
    ["\xE3\x81x"] = "\u{FFFD}x", ["\xED\xA0\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}",
    ["\xF0\x9F\x98\xC3\xA9"] = "\u{FFFD}é", ["\xF4\x90\x80\x80"] = ("\u{FFFD}"):rep(4),
    ["\xF8\x88"] = "\u{FFFD}\u{FFFD}",
    ["\xFFabcdefgh\xFFijklmnop"] = "\u{FFFD}abcdefgh\u{FFFD}ijklmnop",
    ["\xF0\x9F\x98\x80"] = "😀",
  } do
    it(("of UTF-8 become U+FFFD: %q"):format(bytes), function()
      assert.are.equal(expected, (core.to_utf8(bytes, "utf-8")))
    end)
  end

  it("of other charsets become U+FFFD, and the text goes on", function()
    for _, case in ipairs {
      { "windows-1251", "\xCF\x98\xF0", "П\u{FFFD}р" }, { "shift_jis", "\x83<b>", "\u{FFFD}<b>" },
      { "gbk", "\xD6\xFF\xD6\xD0", "\u{FFFD}中" }, { "gbk", "\xD6\xD0\xD6", "中\u{FFFD}" },
      { "euc-kr", "\xFF\xFF\xC7\xD1<", "\u{FFFD}한<" },
      { "iso-2022-jp", "\x1B$B%F\x80%F\x1B(B!", "テ\u{FFFD}テ!" },
      { "utf-16le", "a\0\0\xD8b\0", "a\u{FFFD}b" }, { "utf-16le", "a\0b", "a\u{FFFD}" },
      { "windows-1258", "a\xD2\xFFa", nil },
    } do
      local decoded = core.to_utf8(case[2], case[1])
      if case[3] then assert.are.equal(case[3], decoded, case[1]) end
      assert.is_truthy(utf8.len(decoded))
    end
  end)

  it("cost no more than others do", function()
    local before = os.clock()
    for _, label in ipairs { "utf-8", "gbk", "windows-1251", "utf-16" } do
      core.to_utf8(("\xFF\x98"):rep(500000), label)
      core.to_utf8(("<\0<!"):rep(250000), label)
    end
    core.to_utf8(("<meta "):rep(500000))
    core.to_utf8(("<script>"):rep(500000))
    core.to_utf8(("<!--"):rep(500000))
    assert.is_true(os.clock() - before < 20)
  end)
end)

describe("a Content-Type", function()
  for value, expected in pairs {
    ["text/html; charset=windows-1251"] = "windows-1251 html",
    ["Text/HTML;Charset = \"utf-8\""] = "utf-8 html", ["text/html;charset='utf-8'"] = "utf-8 html",
    ["text/html; x-charset=a; charset=b"] = "b html", ["text/html charset=utf-8"] = "utf-8 html",
    ["application/xhtml+xml"] = "nil html", ["application/rss+xml; charset=koi8-r"] = "koi8-r xml",
    ["text/xml"] = "nil xml", ["application/json"] = "nil text",
    ["text/plain; charset=a, b"] = "a text",
    [""] = "nil html", ["text/html; charset"] = "nil html", ["text/html; charset="] = " html",
  } do
    it(("says %q"):format(value), function()
      local label, kind = core.of_type(value)
      assert.are.equal(expected, tostring(label) .. " " .. kind)
    end)
  end

  it("that is missing says nothing", function()
    assert.are.same({ nil, "html" }, { core.of_type(nil) })
  end)
end)
