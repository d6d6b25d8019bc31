# luapool doc, and what luapool new writes for editors.
. tests/support/cli.sh

it "shows the page of a function, with its options and an example"
run luapool doc task.gather
expect_status 0
expect_out_like '^task\.gather$'
expect_out_like '^    task\.gather\(list \[, opts\]\) -> results, errors$'
expect_out_like '^- `return_errors` \(boolean, optional\)'
expect_out_like '^    print\(table\.concat\(task\.gather\(squares\), " "\)\) --> 1 4 9$'
expect test ! -s "$work/err"

it "takes a name with a dot, a colon, the module's whole name, and small letters"
run luapool doc pool:map
expect_out_like '^    pool:map\(fn, items \[, opts\]\) -> Map$'
cp "$work/out" "$work/first"
for name in pool.map Pool:map luapool.pool.map 'pool:map()'; do
  run luapool doc "$name"
  expect cmp "$work/first" "$work/out"
done

it "shows modules, functions in C, options, kinds of errors, job fields and commands"
for name in task sync dns.lookup task.spawn fs.stat pool.new.concurrency error.worker_died job \
  job.retry html.css cli run; do
  run luapool doc "$name"
  expect_status 0
  expect test "$(wc -l <"$work/out")" -gt 4
done

it "shows an example with an option"
run luapool doc pool.new.max_pending
expect_out_like '^    max_pending: integer$'
expect_out_like 'max_pending = 500,'

it "lists the pages that share a name"
run luapool doc map
expect_status 0
expect_out_like '^  task\.map$'
expect_out_like '^  Pool:map$'
expect_out_like '^  sync\.map$'

it "names the nearest page"
run luapool doc task.gathr
expect_status 2
expect_out ""
expect_err "luapool doc: nothing is called 'task.gathr' (did you mean 'task.gather'?); luapool doc lists all"
run luapool doc pool mpa
expect_status 2
expect_err "luapool doc: nothing is called 'pool mpa' (did you mean 'pool.map'?); luapool doc lists all"

it "finds each page by the name that the list and the pages give it"
run luapool doc luapool run
expect_status 0
expect_out_like '^    luapool run FILE'
run luapool doc luapool.Job
expect_out_like '^- `items` '
for name in "Job files" "command line" "the command line"; do
  run luapool doc "$name"
  expect_status 0
done

it "lists everything"
run luapool doc
expect_status 0
for name in task.gather Pool:map http.get retry.wrap json.null "luapool run"; do
  expect grep -q "$name" "$work/out"
done

it "is plain text where there is no terminal, and coloured on one"
run luapool doc task.sleep
expect sh -c "! grep -q '$(printf '\033')' '$work/out'"
run script -qec "TERM=xterm '$LUAPOOL' doc task.sleep" /dev/null
expect grep -q "$(printf '\033\\[1mtask.sleep')" "$work/out"
run script -qec "NO_COLOR=1 '$LUAPOOL' doc task.sleep" /dev/null
expect sh -c "! grep -q '$(printf '\033')' '$work/out'"

it "loads the pages for nothing else"
printf 'assert(not package.loaded["cli.doc_pages"])\n' >"$work/a.lua"
run luapool run "$work/a.lua"
expect_status 0

it "writes the reference and the types"
run lua5.4 docs/generator/main.lua docs "$work/docs"
expect_status 0
expect grep -q '^## task.gather$' "$work/docs/api/task.md"
expect grep -q '^function M.gather(list, opts) end$' "$work/docs/types/luapool/task.lua"
expect grep -q '^---@param timeout? number seconds$' "$work/docs/types/luapool/task.lua"
for file in "$work"/docs/types/luapool/*.lua; do
  expect luac5.4 -p "$file"
done

it "leads an editor from a new job to the types beside the program"
mkdir -p "$work/opt/bin" "$work/opt/share/luapool/types" "$work/jobs"
cp "$LUAPOOL" "$work/opt/bin/luapool"
run "$work/opt/bin/luapool" new "$work/jobs/first"
expect_status 0
expect grep -qF "$(cd "$work" && pwd -P)/opt/share/luapool/types" "$work/jobs/.luarc.json"
run luapool run tests/cli/doc/settings.lua -- "$work/jobs/.luarc.json"
expect_out "Lua 5.4 1"

it "leaves the settings of an editor alone, and writes none of types that are not there"
mkdir -p "$work/opt/bin" "$work/jobs"
cp "$LUAPOOL" "$work/opt/bin/luapool"
run "$work/opt/bin/luapool" new "$work/jobs/first"
run luapool run tests/cli/doc/settings.lua -- "$work/jobs/.luarc.json"
expect_out "Lua 5.4 0"
echo mine >"$work/jobs/.luarc.json"
run "$work/opt/bin/luapool" new "$work/jobs/second"
expect_status 0
expect grep -qx mine "$work/jobs/.luarc.json"
run luapool new a b
expect_status 2
expect_err "luapool new: one NAME at a time, got 'b' too"
