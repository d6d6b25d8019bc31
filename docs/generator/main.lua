-- Makes the reference out of the sources; run from the project's root by a plain lua5.4.
--   lua5.4 docs/generator/main.lua docs FOLDER   FOLDER/api/*.md and FOLDER/types/luapool/*.lua
--   lua5.4 docs/generator/main.lua site FOLDER   a site of all pages, for browsers
--   lua5.4 docs/generator/main.lua pages FILE    the pages of `luapool doc`, as a Lua module
--   lua5.4 docs/generator/main.lua shell FOLDER  FOLDER/man1/*.1, FOLDER/completions/SHELL

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path
local books = require "book"

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
end

local function folder(path) assert(os.execute(("mkdir -p '%s'"):format(path))) end

local makers = {}

function makers.docs(book, target)
  local markdown, types = require "markdown", require "types"
  for _, name in ipairs { "/api", "/types/luapool" } do
    assert(os.execute(("rm -rf '%s'"):format(target .. name))) -- pages of what there is no more
    folder(target .. name)
  end
  write(target .. "/api/README.md", markdown.index(book))
  for _, name in ipairs(books.modules) do
    write(("%s/api/%s.md"):format(target, name), markdown.page(book, name))
    if name ~= "cli" then
      local file = name == "luapool" and "init" or name
      write(("%s/types/luapool/%s.lua"):format(target, file), types.page(book, name))
    end
  end
end

function makers.pages(book, target)
  folder(target:match("^(.*)/") or ".")
  write(target .. ".new", require("pages").lua(book))
  assert(os.rename(target .. ".new", target))
end

function makers.shell(book, target)
  local man, completions = require "man", require "completions"
  for _, name in ipairs { "/man1", "/completions" } do
    assert(os.execute(("rm -rf '%s'"):format(target .. name)))
    folder(target .. name)
  end
  for name, text in pairs(man.pages()) do write(("%s/man1/%s.1"):format(target, name), text) end
  for name, text in pairs(completions.all(book)) do
    write(("%s/completions/%s"):format(target, name), text)
  end
end

function makers.site(book, target) require("site").make(book, target) end

local make = makers[arg[1]] or error "what is to be made? docs, site, pages or shell"
make(books.read(books.sources()), arg[2])
