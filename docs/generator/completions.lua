-- Writes what completes the command line in bash, zsh and fish, out of the same tables as `--help`.
-- After `luapool`: the commands; after a command: its verbs, its options and their values, files,
-- or the pages of the reference. Plain Lua 5.4.

local commands = require "commands"
local pages_of = require "pages"

local M = {}

local MADE = "# Made by docs/generator: do not edit.\n"

local function join(list, separator) return table.concat(list, separator or " ") end

-- In single quotes, for a shell.
local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

---@class docs.Words: what each of `completes` stands for
---@field page string[]
---@field topic string[]

local function words_of(book, list)
  local pages, topics, seen = {}, {}, {}
  for _, page in ipairs(pages_of.all(book)) do
    local key = page.form ~= "kind" and page.form ~= "field" and page.keys[1]
    if key and not key:find "[^%w._]" and not seen[key] then
      seen[key] = true
      pages[#pages + 1] = key
    end
  end
  for _, command in ipairs(list) do topics[#topics + 1] = command.name end
  for _, topic in ipairs(commands.topics()) do topics[#topics + 1] = topic.name end
  table.sort(pages)
  return { page = pages, topic = topics }
end

local function verbs_of(command)
  local names = {}
  for i, verb in ipairs(command.verbs) do names[i] = verb[1] end
  return names
end

local function flags_of(option)
  return option.short and { "-" .. option.short, "--" .. option.long } or { "--" .. option.long }
end

-- ---- bash ----

-- The branches of `case "$command $prev"`: options that want a value.
local function bash_values(list)
  local out = {}
  for _, command in ipairs(list) do
    for _, option in ipairs(command.options) do
      local patterns = {}
      for i, flag in ipairs(flags_of(option)) do
        patterns[i] = ('"%s %s"'):format(command.name, flag)
      end
      local what = option.words and "words=" .. quoted(join(option.words))
        or option.is_file and "files=1" or "return"
      if option.value then out[#out + 1] = ("    %s) %s ;;"):format(join(patterns, " | "), what) end
    end
  end
  return join(out, "\n")
end

local function bash_options(list)
  local out = {}
  for _, command in ipairs(list) do
    local flags = {}
    for _, option in ipairs(command.options) do
      table.move(flags_of(option), 1, 2, #flags + 1, flags)
    end
    out[#out + 1] = ("        %s) words=%s ;;"):format(command.name, quoted(join(flags)))
  end
  return join(out, "\n")
end

-- What an argument may be; the second word of the line is the first of a command's.
local function bash_arguments(list, words)
  local out = {}
  for _, command in ipairs(list) do
    local named = #command.verbs > 0 and verbs_of(command) or words[command.completes]
    if command.completes == "file" then
      out[#out + 1] = ("        %s-*) files=1 ;;"):format(command.name)
    elseif named then
      out[#out + 1] = ("        %s-2) words=%s ;;"):format(command.name, quoted(join(named)))
    end
  end
  return join(out, "\n")
end

local BASH = [==[
# bash completion for luapool
@MADE@
_luapool() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local words='' files='' i
  COMPREPLY=()
  # bash makes three words of --mode=sync.
  [[ $cur == '=' ]] && cur=''
  [[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
  if ((COMP_CWORD == 1)); then
    words='@COMMANDS@ --help --version'
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == -- ]] && files=1
  done
  [[ -n $words$files ]] || case "$command $prev" in
@VALUES@
    *) case $cur in
      -*) case $command in
@OPTIONS@
      esac ;;
      *) case $command-$COMP_CWORD in
@ARGUMENTS@
      esac ;;
    esac ;;
  esac
  if [[ -n $files ]]; then
    compopt -o default
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  fi
}
complete -F _luapool luapool
]==]

local function bash(list, words)
  local names = {}
  for i, command in ipairs(list) do names[i] = command.name end
  local parts = { MADE = MADE:gsub("\n", ""), COMMANDS = join(names), VALUES = bash_values(list),
    OPTIONS = bash_options(list), ARGUMENTS = bash_arguments(list, words) }
  return (BASH:gsub("@(%u+)@", parts))
end

-- ---- zsh ----

local function zsh_text(text) return (text:gsub("[%[%]\\]", "\\%0")) end

local function zsh_option(option)
  local flags, action = flags_of(option), ""
  if option.value then
    local values = option.words and "(" .. join(option.words) .. ")"
      or option.is_file and "_files" or " "
    action = (":%s:%s"):format(option.value, values)
    flags[#flags] = flags[#flags] .. "="
    if option.short then flags[1] = flags[1] .. "+" end
  end
  local rest = quoted(("[%s]%s"):format(zsh_text(option.text), action))
  if not option.short then return quoted(flags[1]) .. rest end
  return ("'(-%s --%s)'{%s}%s"):format(option.short, option.long, join(flags, ","), rest)
end

local function zsh_described(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = quoted(row[1] .. ":" .. row[2]:gsub(":", "\\:")) end
  return join(out)
end

local function zsh_command(command, words)
  local out = { ("    %s)"):format(command.name) }
  local specs = {}
  for i, option in ipairs(command.options) do specs[i] = zsh_option(option) end
  if #command.verbs > 0 then
    local rows = {}
    for i, verb in ipairs(command.verbs) do rows[i] = { verb[1], verb[3] } end
    out[2] = ("      verbs=(%s)"):format(zsh_described(rows))
    table.insert(specs, quoted "1:verb:{_describe verb verbs}")
  elseif command.completes == "file" then
    table.insert(specs, quoted "*:file:_files")
  elseif command.completes then
    local list = join(words[command.completes])
    table.insert(specs, quoted(("1:%s:(%s)"):format(command.completes, list)))
  end
  out[#out + 1] = "      _arguments -s " .. join(specs, " \\\n        ") .. " ;;"
  return join(out, "\n")
end

local function zsh(list, words)
  local rows, out = {}, { "#compdef luapool\n" .. MADE .. "_luapool() {" }
  for i, command in ipairs(list) do rows[i] = { command.name, command.summary } end
  out[#out + 1] = "  local -a commands verbs\n  local curcontext=$curcontext"
  out[#out + 1] = ("  commands=(%s)"):format(zsh_described(rows))
  out[#out + 1] = "  if ((CURRENT == 2)); then\n    _describe command commands\n"
    .. "    compadd -- --help --version\n    return\n  fi"
  out[#out + 1] = "  shift words\n  ((CURRENT--))\n  case $words[1] in"
  for _, command in ipairs(list) do out[#out + 1] = zsh_command(command, words) end
  out[#out + 1] = '  esac\n}\n_luapool "$@"\n'
  return join(out, "\n")
end

-- ---- fish ----

local FISH = [[
# Whether so many words stand before the cursor, and whether the command is one of these.
function __luapool_at
  test (count (commandline -opc)) -eq $argv[1]
end
function __luapool_is
  set -l words (commandline -opc)
  test (count $words) -gt 1; and contains -- $words[2] $argv
end
complete -c luapool -f
complete -c luapool -n '__luapool_at 1' -s h -l help -d 'show this help'
complete -c luapool -n '__luapool_at 1' -s V -l version -d 'show the version'
]]

local function fish_option(command, option)
  local parts = { ("complete -c luapool -n '__luapool_is %s'"):format(command.name) }
  local function add(text, ...) parts[#parts + 1] = text:format(...) end
  if option.short then add("-s %s", option.short) end
  add("-l %s", option.long)
  if option.words then
    add("-x -a %s", quoted(join(option.words)))
  elseif option.value then
    add(option.is_file and "-r -F" or "-x")
  end
  add("-d %s", quoted(option.text))
  return join(parts)
end

local function fish(list, words)
  local out = { "# fish completion for luapool\n" .. MADE .. FISH }
  local function add(text, ...) out[#out + 1] = text:format(...) end
  for _, command in ipairs(list) do
    local second = ("'__luapool_at 2; and __luapool_is %s'"):format(command.name)
    add("complete -c luapool -n '__luapool_at 1' -a %s -d %s", command.name,
      quoted(command.summary))
    for _, verb in ipairs(command.verbs) do
      add("complete -c luapool -n %s -a %s -d %s", second, verb[1], quoted(verb[3]))
    end
    if command.completes == "file" then
      add("complete -c luapool -n '__luapool_is %s' -F", command.name)
    elseif command.completes then
      add("complete -c luapool -n %s -a '%s'", second, join(words[command.completes]))
    end
    for _, option in ipairs(command.options) do add("%s", fish_option(command, option)) end
  end
  return join(out, "\n") .. "\n"
end

--- The completions by the names of the shells.
---@param book docs.Book
---@return table<string, string>
function M.all(book)
  local list = commands.all()
  local words = words_of(book, list)
  return { bash = bash(list, words), zsh = zsh(list, words), fish = fish(list, words) }
end

return M
