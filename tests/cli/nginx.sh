# tests/support/nginx: the server that other tests, the benchmarks and the demo rely on.
. tests/support/cli.sh

# In bash, which every Debian has: GET $1 from the server of this environment, the last line of it.
get='exec 3<>"/dev/tcp/127.0.0.1/${NGINX_URL##*:}"
  printf "GET %s HTTP/1.0\r\n\r\n" "$0" >&3
  tail -n 1 <&3'

it "serves the files of a folder while a command runs"
mkdir "$work/root" && echo hello >"$work/root/a.txt"
run tests/support/nginx -r "$work/root" run bash -c "$get" /a.txt
expect_status 0
expect_out hello

it "is gone when the command has ended"
run tests/support/nginx run sh -c 'echo "$NGINX_PID"'
expect_gone "$(cat "$work/out")"

it "exits as the command did"
run tests/support/nginx run sh -c 'exit 7'
expect_status 7

it "dies with its starter, however that ends"
sh -c 'tests/support/nginx serve >"$0/ready"' "$work" &
starter=$!
until [ -s "$work/ready" ]; do sleep 0.02; done
pid=$(sed 's/.* pid=//' "$work/ready")
dir=$(sed 's/.* dir=\([^ ]*\) .*/\1/' "$work/ready")
kill -0 "$pid" || fail "nginx does not run"
kill -9 "$starter"
wait "$starter" 2>/dev/null
expect_gone "$pid"
rm -rf "$dir"

it "says at once why nginx does not start"
mkdir "$work/bin"
printf '#!/bin/sh\necho "no module" >error.log\nexit 1\n' >"$work/bin/nginx"
chmod +x "$work/bin/nginx"
cat >"$work/start.lua" <<'END'
print(select(2, pcall(require("tests.support.nginx").start)))
END
run env "PATH=$work/bin:$PATH" "TMPDIR=$work" timeout 60 "$LUAPOOL" run "$work/start.lua"
expect_status 0
expect_out_like "nginx did not start"
expect_err_like "no module"
expect_no_file "$(echo "$work"/luapool-nginx.*)"
