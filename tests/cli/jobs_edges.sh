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

# Runs the job of stdin in the background; then does $@: sends a signal, or waits until stderr has
# a line like that.
stopped_by() {
  cat >"$work/job.lua"
  rm -f "$work/err"
  (cd "$work" && exec "$LUAPOOL" run job.lua -p 2 -o out.jsonl >out 2>err) &
  pid=$! tap_command="luapool run job.lua"
  for what; do
    case $what in
      INT | TERM) kill -s "$what" "$pid" ;;
      *) until grep -qs "$what" "$work/err" || ! kill -0 "$pid"; do sleep 0.02; done ;;
    esac
  done
  status=0
  wait "$pid" || status=$?
}

# The same with a job whose 'done' is on its way, for ever, when it has said so.
done_stopped_by() {
  stopped_by "$@" <<'LUA'
return {
  items = { 1 },
  process = function(x) return x end,
  done = function()
    io.stderr:write "done begins\n"
    require("luapool.task").sleep(1000)
  end,
}
LUA
}

it "ends a 'done' that goes on after a second Ctrl-C"
done_stopped_by "done begins" INT "has 5 s to finish" INT
expect_status 130
expect_err_like "^luapool: interrupted: 'done' has 5 s to finish$"
expect_err_like '^Done, success: 1/1, failure: 0/1 '

it "ends a 'done' that goes on 5 s after SIGTERM, and lets it finish before"
done_stopped_by "done begins" TERM
expect_status 143
expect_err_like '^Done, success: 1/1, failure: 0/1 '
stopped_by "item begins" TERM <<'LUA'
return {
  items = { 1, 2 },
  process = function(x)
    if x == 2 then
      io.stderr:write "item begins\n"
      require("luapool.task").sleep(3)
    end
    return x
  end,
  done = function()
    require("luapool.task").sleep(3) -- more than 5 s after the signal
    print "done"
  end,
}
LUA
expect_status 143
expect_out "done"
expect_err_like '^Done, success: 2/2, failure: 0/2 '

it "ends with a hook that never waits 5 s after a second Ctrl-C"
stopped_by "done begins" INT "has 5 s to finish" INT <<'LUA'
return {
  items = { 1 },
  process = function(x) return x end,
  done = function()
    io.stderr:write "done begins\n"
    while true do end
  end,
}
LUA
expect_status 130
