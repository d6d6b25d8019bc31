# Jobs at their edges: items that cannot travel, errors that are nil, hooks that are interrupted.
. tests/support/cli.sh

here() { (cd "$work" && "$@"); }

# Writes job.lua from stdin and runs it.
job() {
  cat >"$work/job.lua"
  run here luapool run job.lua "$@"
}

it "fails each item that cannot be sent by itself"
job -p 2 <<'LUA'
local file = io.open "job.lua"
return {
  items = { 1, { log = file }, 3, coroutine.create(print), function() return file end, 6 },
  process = function(x) return x end,
}
LUA
expect_status 3
expect_out_lines 3
expect_err_like '^Done, success: 3/6, failure: 3/6 '
expect [ "$(wc -l <"$work/job.failed.jsonl")" = 3 ]
expect grep -q '"error":"cannot send argument.item.log: file (FILE\*)","kind":"cannot_send"' \
  "$work/job.failed.jsonl"
expect grep -q 'thread' "$work/job.failed.jsonl"
expect grep -q "upvalue 'file'" "$work/job.failed.jsonl"

it "ends with status 1 when init raises nil"
job <<'LUA'
return { items = { 1, 2 }, init = function() error() end, process = function(x) return x end }
LUA
expect_status 1
expect_out ""
expect_err_like '^Done, success: 0/2, '
