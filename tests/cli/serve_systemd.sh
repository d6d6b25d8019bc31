# luapool serve under a service manager: tests/support/service_manager.py plays systemd's part.
. tests/support/cli.sh
. tests/support/serve.sh

cat >"$tap_dir/web.lua" <<'END'
local folder = ...
return {
  queue = "sqlite:" .. folder .. "/work.db",
  kinds = { noop = { process = function() end } },
  services = { web = { run = function(ctx)
    local server = ctx.listeners.web
    assert(server == ctx.listeners[1])
    while true do
      local client = assert(server:accept())
      client:send("hello from " .. ctx.worker .. "\n")
      client:close()
    end
  end, processes = 2 } },
}
END

messages() { cat "$work/messages" 2>/dev/null; }

# Waits until there are $2 messages (or one) that are exactly $1.
await_message() {
  until [ "$(messages | grep -cxE -e "$1")" -ge "${2:-1}" ]; do
    kill -0 "$manager" 2>/dev/null || { fail "ended without the message $1: $(messages)
$(cat "$work/log")"; return; }
    sleep 0.02
  done
}

it "tells when it is ready, reloads and stops, keeps the watchdog, and takes sockets over"
python3 tests/support/service_manager.py "$work" "$LUAPOOL" serve "$tap_dir/web.lua" -p 1 \
  --control "$work/sock" -- "$work" 2>"$work/log" &
manager=$!
await_message "READY=1"
server=$(cat "$work/pid")
cat >"$work/get.lua" <<LUA
local socket = require "socket"
for _ = 1, 4 do
  local client <close> = assert(socket.connect("127.0.0.1", $(cat "$work/port")))
  print((assert(client:receive "*l"):gsub("%d", "N")))
end
LUA
run luapool run "$work/get.lua"
expect_out "hello from N
hello from N
hello from N
hello from N"
await_message "WATCHDOG=1" 3
await_message "STATUS=0 jobs run, 0 done, 0 failed"
lua_q 'q:put "noop"'
await_message "STATUS=0 jobs run, 1 done, 0 failed"
kill -HUP "$server"
await_message "RELOADING=1"
await_message "MONOTONIC_USEC=[0-9]+"
await_message "READY=1" 2
run luapool run "$work/get.lua"
expect_out_lines 4
kill -TERM "$server"
await_message "STOPPING=1"
status=0
wait "$manager" || status=$?
expect [ "$status" = 0 ]
# In the order of the protocol, watchdog and status apart.
expect [ "$(messages | grep -vE 'WATCHDOG|STATUS|MONOTONIC' | tr '\n' ' ')" = \
  "READY=1 RELOADING=1 READY=1 STOPPING=1 " ]

it "listens on an address of its own, which its services share"
sed 's/listeners.web/listeners.listen/' "$tap_dir/web.lua" >"$work/web.lua"
cat >"$work/get.lua" <<LUA
require("tests.support.internal") "luapool.socket.core"
local stream = require("tests.support.internal") "luapool.socket.stream"
local client = assert(stream.unix "$work/web.sock")
print((client:receive "*l":gsub("%d", "N")))
LUA
serve "$work/web.lua" -p 1 --control "$work/sock" --listen "$work/web.sock" -- "$work"
await_log "serving"
run luapool run "$work/get.lua"
expect_out "hello from N"
stop_serve TERM 0
