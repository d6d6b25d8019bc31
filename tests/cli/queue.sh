# luapool queue: what is in a queue, for people and for programs; what cannot be done, in one line.
. tests/support/cli.sh

q() { run luapool queue "$@"; }

# Ends the oldest waiting job of the kind "mail" with an error, or, with "done", well.
work_off() {
  expect luapool run tests/support/queue_end.lua -- "$url" mail "$1"
}

it "puts, lists and shows jobs"
url="sqlite:$work/q.db"
q put "$url" mail '{"to":"a"}' --priority 5 --key tenant
expect_status 0
expect_out_like '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]+$'
id=$(cat "$work/out")
q put "$url" resize '[7]' --delay 60 --json
expect_out_like '^\{"id":"[0-9a-f-]+"\}$'
q ls "$url"
expect_out_lines 3
expect_out_like "^ID +KIND +STATE +PUT +ATTEMPTS +ARGS +NOTE$"
expect_out_like "^$id  mail +waiting +[0-9]+ s +0 +\{\"to\":\"a\"\} +key tenant$"
expect_out_like ' resize +scheduled '
q ls "$url" --json --kind mail
expect_out_lines 1
expect_out_like "\"id\":\"$id\""
q ls "$url" --state "done"
expect_out "no such jobs"
q ls "$url" --after "$id" --limit 5
expect_out_lines 2
q show "$url" "$id"
expect_out_like "^priority    5$"
expect_out_like '^args        \{"to":"a"\}$'
q show "$url" "$id" 0190-no
expect_status 1
expect_err "luapool queue: no job 0190-no: it is done and was not to be kept, or never was"
q show "$url" "$id" --json
expect_out_like '"state":"waiting"'

it "tells how many there are, pauses and goes on"
url="sqlite:$work/q.db"
q put "$url" mail
q pause "$url" mail
expect_out "1 kinds paused"
q stats "$url"
expect_out_like '^KIND +WAITING +SCHEDULED .* OLDEST *$'
expect_out_like '^mail +1 +0 .* paused$'
q resume "$url" mail --json
expect_out '{"n":1}'
q stats "$url" --json
expect_out_like '"paused":false'

it "gives failed jobs back, cancels and removes"
url="sqlite:$work/q.db"
q put "$url" mail 1
id=$(cat "$work/out")
work_off "the server is down"
q failed "$url"
expect_out_like "^$id  mail  failed .* the server is down$"
q retry "$url" "$id"
expect_out "1 start again"
q retry "$url" "$id"
expect_status 1
expect_err "luapool queue: job $id has not failed, or there is none"
work_off "again"
q retry "$url" --kind mail
expect_out "1 start again"
q cancel "$url" "$id"
expect_out "1 cancelled, or asked to stop"
q cancel "$url" "$id"
expect_status 1
q purge "$url" --older 0
expect_out "1 removed"
q ls "$url"
expect_out "no such jobs"

it "has colours on a terminal alone"
url="sqlite:$work/q.db"
q put "$url" mail 1
work_off "no"
run env -u NO_COLOR TERM=xterm script -qec "'$LUAPOOL' queue ls '$url'" /dev/null
expect_out_like "$(printf '\033')\\[31mfailed"
run env NO_COLOR=1 TERM=xterm script -qec "'$LUAPOOL' queue ls '$url'" /dev/null
expect [ "$(grep -c "$(printf '\033')" "$work/out")" = 0 ]

it "shows nothing that a terminal would obey"
url="sqlite:$work/q.db"
q put "$url" mail '"a\u001b[2Jb"' --key "$(printf 'x\033[31m')"
q ls "$url"
expect [ "$(grep -c "$(printf '\033')" "$work/out")" = 0 ]

it "answers each mistake by one line, and loses nothing"
url="sqlite:$work/q.db"
q put "$url" mail 1
wrong() {
  text=$1 expected=$2
  shift 2
  q "$@"
  expect_status "$expected"
  expect_err_like "^luapool queue: $text\$"
  expect_err_lines 1
  expect_out ""
}
wrong 'which VERB\? .*' 2
wrong "unknown verb 'lst'.*" 2 lst "$url"
wrong 'which queue\? luapool queue ls sqlite:PATH' 2 ls
wrong "option '--delay' is not for 'ls'" 2 ls "$url" --delay 3
wrong "option '--state' must be \"scheduled\" or .*, got 'don'" 2 ls "$url" --state don
wrong "'x' is one word too many for 'ls'" 2 ls "$url" x
wrong 'cancel what\? luapool queue cancel URL ID' 2 cancel "$url"
wrong 'retry which jobs\? ID..., or --kind KIND' 2 retry "$url"
wrong 'purge which jobs\? --state, --kind or --older \(.*\)' 2 purge "$url"
wrong 'the arguments are not JSON: .*' 2 put "$url" mail '{to}'
wrong "there is no queue '.*/typo.db' \(the first put makes it\)" 2 ls "sqlite:$work/typo.db"
expect_no_file "$work/typo.db"
wrong "'sqlite://typo.db': a file has no host: \"sqlite:work.db\", .*" 2 put sqlite://typo.db mail
wrong "'sqlite:typo.db\?ns=x': a file has no options: .*" 2 put "sqlite:typo.db?ns=x" mail
expect_no_file "typo.db?ns=x"
wrong "option '--expires' must be a finite number above 0, got '0'" 2 put "$url" mail --expires 0
wrong "'sqlit:x.db' begins with none of .*did you mean .*" 2 ls sqlit:x.db
wrong ".*cannot connect to 127.0.0.1:1: connection refused" 1 stats redis://127.0.0.1:1/0
echo "no database, but a longer text than that of a header, which has a hundred bytes in SQLite" >"$work/text"
cp "$work/text" "$work/copy"
wrong "'sqlite:.*/text' is no database: it is left as it is" 1 ls "sqlite:$work/text"
expect cmp "$work/text" "$work/copy"
wrong ".* at most 65536 are taken: put large things .*" 1 put "$url" mail "\"$(head -c 70000 /dev/zero | tr '\0' x)\""
q ls "$url" --json
expect_out_lines 1
