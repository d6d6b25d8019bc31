# A terminal that a test looks at: tmux in the folder of the test. Sourced behind cli.sh.
# shellcheck shell=sh disable=SC2154

export LC_ALL=C.UTF-8 TERM=xterm

in_tmux() { tmux -S "$work/tmux" "$@"; }

screen() { in_tmux capture-pane -p 2>/dev/null; }

# Starts a command on a terminal of 60 columns and 10 rows, or $2, that `screen` shows.
open_screen() {
  until in_tmux -f /dev/null new-session -d -x 60 -y "${2:-10}" "$1; echo ended; sleep 60" 2>/dev/null; do
    sleep 0.2 # a server that was killed is still there
  done
}

close_screen() { in_tmux kill-server 2>/dev/null; }

# Types a text; presses keys, by tmux's names (Enter, Tab, C-c, Up).
typed() { in_tmux send-keys -l -- "$1"; }
press() { in_tmux send-keys "$@"; }

# Waits until a line of the screen is like this.
expect_screen_like() {
  for _ in $(seq 200); do
    screen | grep -Eq -e "$1" && return 0
    in_tmux has-session 2>/dev/null || break
    sleep 0.1
  done
  fail "expected a line of the screen like: $1
$(screen)"
}

expect_screen_unlike() { screen | grep -Eq -e "$1" && fail "on the screen: $(screen)"; }
