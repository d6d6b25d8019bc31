# A log that five processes write and rotate while they are killed: no line that was acknowledged is
# lost, doubled or torn. LOG_STORM: how many rounds.
. tests/support/cli.sh

# Each line of the log is one of ours, whole, or the beginning of one that nobody acknowledged;
# each that was acknowledged stands there once. Prints what is wrong.
cat >"$tap_dir/check.awk" <<'AWK'
FILENAME ~ /acks/ { acked[$1] = 1; count++; next }
/^[-0-9]+ [:0-9]+ info( worker [0-9]+)?: [0-9]+\.[0-9]+ x*end$/ {
  for (i = 3; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+$/) { seen[$i]++; break }
  next
}
{ torn++ }
END {
  for (line in acked) if (seen[line] != 1) print line ": " seen[line] + 0 " times"
  for (line in seen) if (seen[line] > 1) print line ": " seen[line] " times"
  if (torn > deaths) print torn " lines are none, and only " deaths " processes were killed"
  if (count < 100) print "only " count " lines were acknowledged"
}
AWK

# $1 rounds, in each of which $2 workers are killed, and main once $3 files stand there.
storm() {
  mkdir "$work/acks" "$work/logs"
  round=1
  while [ "$round" -le "$1" ]; do
    run luapool run tests/support/log_storm.lua -- "$work" "$2" "$(($3 * round))"
    expect_status 137
    for file in "$work"/acks/*; do expect_gone "${file##*/}"; done
    round=$((round + 1))
  done
}

any() { for file in "$@"; do [ ! -e "$file" ] || return 0; done; return 1; }

# What a killed process has left uncompressed, another one compresses.
finish() {
  printf '%s\n' 'local log = require "luapool.log"' \
    'log.add { path = (...) .. "/logs/app.log", rotate = "64K", compress = true }' >"$work/open.lua"
  tries=0
  while any "$work"/logs/app.*_*.log "$work"/logs/*.part; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || { fail "left as it is: $(ls -l "$work/logs")" && return; }
    run luapool run "$work/open.lua" -- "$work"
    expect_status 0
  done
}

it "loses, doubles and tears no line that was acknowledged"
storm "${LOG_STORM:-2}" 6 10
finish
cat "$work/logs/app.log" >"$work/all"
zcat "$work"/logs/*.gz >>"$work/all" || fail "a compressed file is damaged"
deaths=$((${LOG_STORM:-2} * 11)) # workers killed, and those that fell with main, and main
awk -v deaths="$deaths" -f "$tap_dir/check.awk" "$work"/acks/* "$work/all" >"$work/wrong"
[ ! -s "$work/wrong" ] || fail "$(head -20 "$work/wrong")"
