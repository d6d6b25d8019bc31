# examples/embed_game, built against the installed tree alone: without a screen, and on one of Xvfb. An endless
# script is among its actors, all scripts are loaded again each second, and the server takes 200 ms.
. tests/support/cli.sh

game=$ROOT/examples/embed_game
inside() { tests/support/installed "${LUAPOOL%/*}" "$@"; }

"$LUAPOOL" run "$game/server.lua" >"$tap_dir/url" &
server=$!
trap 'kill "$server"; tap_end' EXIT
while [ ! -s "$tap_dir/url" ]; do kill -0 "$server" && sleep 0.1; done
url=$(head -n 1 "$tap_dir/url")

# play COMMAND...: 300 frames unless GAME_FRAMES says more
play() {
  run inside "$@" "$tap_dir/game" "$url" --scripts "$game/scripts" --reload 1 \
    --frames "${GAME_FRAMES:-300}" --screenshot "$work/last.bmp"
}

# Points of a color in the last frame, over a thousand of them.
expect_points() {
  expect "$LUAPOOL" run tests/support/bmp_points.lua "$work/last.bmp" "$1"
}

it "builds with pkg-config"
# shellcheck disable=SC2016 # expanded inside
expect inside sh -c '$CC $CFLAGS -o "$1" "$2"/*.c $(pkg-config --cflags --libs luapool sdl2 SDL2_gfx)' - \
  "$tap_dir/game" "$game"

# What a sanitizer adds is not luapool's: there the game may be late.
late_is_wrong() { ! grep -qa asan "/proc/$server/maps"; }

it "plays without a screen, no frame late, and stops what does not end"
play env SDL_VIDEODRIVER=dummy
if late_is_wrong; then
  expect_status 0
  expect_out_like "[1-9][0-9]* scripts stopped"
fi
expect_out_like "longest .*, ${GAME_FRAMES:-300} frames"
expect_out_like "[0-9]* scripts stopped, score [1-9]"
expect_points 120,200,255

it "plays on a screen"
play xvfb-run -a
expect_points 255,220,120
