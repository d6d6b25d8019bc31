# docs/embedding.md tells the truth: each block of C compiles alone; the first one is a program, and runs.
. tests/support/cli.sh

inside() { tests/support/installed "${LUAPOOL%/*}" "$@"; }
awk -v to="$tap_dir/block" '
  /^```c$/ { n++; inside = 1; next }
  /^```$/ { inside = 0 }
  inside { print > (to n ".c") }' docs/embedding.md

for block in "$tap_dir"/block*.c; do
  it "compiles $(basename "$block" .c) of the guide"
  # shellcheck disable=SC2016 # expanded inside
  expect inside sh -c '$CC $CFLAGS -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags luapool) "$1"' - "$block"
done

it "runs the first program of the guide"
# shellcheck disable=SC2016
expect inside sh -c '$CC $CFLAGS -o "$2" "$1" $(pkg-config --cflags --libs luapool)' - "$tap_dir/block1.c" "$tap_dir/first"
run inside "$tap_dir/first"
expect_status 0
expect_out "hello world
5 letters"
