# Every other way to an installed luapool: CMake's find_package, the static library, a tree that was moved,
# `make install` and `make uninstall`.
. tests/support/cli.sh

build=${LUAPOOL%/*}
inside() { tests/support/installed "$build" "$@"; }
# shellcheck disable=SC2016
prefix=$(inside sh -c 'echo "$PREFIX"')

it "is found by find_package, and all hosts are built"
expect inside cmake -S tests/embed/find_package -B "$tap_dir/hosts" -G Ninja
expect cmake --build "$tap_dir/hosts" -j 2

for program in "$tap_dir"/hosts/*-luapool "$tap_dir"/hosts/*-luapool_static; do
  it "runs $(basename "$program") of find_package"
  run inside "$program"
  expect_status 0
done

it "is linked statically with what pkg-config --static says"
# shellcheck disable=SC2016
expect inside sh -c '$CC $CFLAGS -o "$1" tests/embed/first.c $(pkg-config --cflags luapool) \
  $(pkg-config --static --libs luapool | sed s/-lluapool/-l:libluapool.a/)' - "$work/first"
run "$work/first"
expect_status 0
expect sh -c '! readelf -d "$1" | grep NEEDED.*libluapool' - "$work/first"

# A pool finds the program of its own tree, also where no PATH leads to it.
it "may be moved as a whole"
cp -a "$prefix" "$work/moved"
libdir=$work/moved/$(inside sh -c 'echo "${LD_LIBRARY_PATH#"$PREFIX/"}"')
# shellcheck disable=SC2016
expect inside env PKG_CONFIG_PATH="$libdir/pkgconfig" sh -c '
  $CC $CFLAGS -o "$1" tests/embed/pools.c $(pkg-config --cflags --libs luapool)' - "$work/pools"
run env LD_LIBRARY_PATH="$libdir" PATH=/usr/bin:/bin "$work/pools"
expect_status 0
expect env PKG_CONFIG_PATH="$libdir/pkgconfig" sh -c '
  test "$(pkg-config --variable=program luapool)" -ef "$1"' - "$work/moved/bin/luapool"

it "is taken away by uninstall, and nothing else is"
mkdir -p "$work/stage/opt/share"
echo "not ours" >"$work/stage/opt/share/luapool.txt"
expect env DESTDIR="$work/stage" cmake --install "$build" --prefix /opt
expect_file "$work/stage/opt/bin/luapool"
for file in luapool/types/luapool/task.lua man/man1/luapool-run.1 doc/luapool/LICENSE \
  doc/luapool/examples/titles.lua bash-completion/completions/luapool \
  zsh/site-functions/_luapool fish/vendor_completions.d/luapool.fish; do
  expect_file "$work/stage/opt/share/$file"
done
expect env DESTDIR="$work/stage" vendor/uninstall "$build" /opt
expect test "$(find "$work/stage" ! -type d)" = "$work/stage/opt/share/luapool.txt"
expect test -z "$(find "$work/stage" -type d -name '*luapool*')"
