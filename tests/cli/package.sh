# `make deb` and `make tarball`: the packages hold what has been built, lintian has nothing against them,
# and what is in them works from where it is unpacked.
. tests/support/cli.sh

# A build with sanitizers is nothing to package: then it is the one of `make check` that has none.
preset=$(basename "${LUAPOOL%/*}")
case $preset in
  release | strict | dev) ;;
  *) preset=strict ;;
esac
version=$(luapool --version | cut -d ' ' -f 2)

it "agrees on the version with the changelogs"
expect test "$(sed -n '1s/^luapool (\(.*\)-[0-9]*) .*/\1/p' debian/changelog)" = "$version"
expect grep -q "^## $version (" CHANGELOG.md

it "needs for a package what it needs for a build"
awk '$1 == "build" && $2 !~ /^(gcc|libc6-dev|make)$/ { print $2 }' vendor/packages | sort >"$work/wanted"
sed -n '/^Build-Depends:/,/^[A-Z]/s/^ \([a-z0-9.+-]*\),.*/\1/p' debian/control | grep -v ^debhelper | sort \
  >"$work/said"
expect diff "$work/wanted" "$work/said"

it "makes the same tarball twice, whatever the clock, the zone, the umask and git's settings are"
if git rev-parse --verify -q HEAD >/dev/null; then
  run vendor/tarball "$work/one"
  expect_status 0
  sleep 1.1
  expect sh -c 'umask 077; TZ=Asia/Tokyo GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=tar.umask \
    GIT_CONFIG_VALUE_0=0077 vendor/tarball "$1"' - "$work/two"
  expect cmp "$work/one/luapool-$version.tar.gz" "$work/two/luapool-$version.tar.gz"
  tar -tzf "$work/one/luapool-$version.tar.gz" | grep -v '/$' | sed "s|^luapool-$version/||" | sort >"$work/in"
  git ls-tree -r --name-only HEAD | sort >"$work/tracked"
  expect diff "$work/tracked" "$work/in"
else
  skip "this is no clone"
fi

it "makes packages that lintian accepts"
if ! command -v dh >/dev/null || ! command -v lintian >/dev/null; then
  skip "there is no debhelper or no lintian"
elif ! [ -x "build/$preset/luapool" ]; then
  skip "there is no build/$preset to package"
else
  run make deb "PRESET=$preset"
  expect_status 0
  run lintian --allow-root --fail-on error,warning --tag-display-limit 0 build/deb/luapool.changes
  expect_status 0
  expect_out ""

  it "has the program, its manuals, completions, unit and examples in the package luapool"
  root=$work/root
  for package in build/deb/*.deb; do dpkg-deb -x "$package" "$root"; done
  for file in bin/luapool share/man/man1/luapool.1.gz share/man/man1/luapool-run.1.gz \
    share/bash-completion/completions/luapool share/zsh/vendor-completions/_luapool \
    share/fish/vendor_completions.d/luapool.fish share/luapool/types/luapool/task.lua \
    "lib/systemd/system/luapool@.service" share/doc/luapool/copyright share/doc/luapool/examples/titles.lua; do
    expect_file "$root/usr/$file"
  done
  run "$root/usr/bin/luapool" --version
  expect_out "luapool $version"
  (cd "$work" && root/usr/bin/luapool new first) >/dev/null
  expect grep -qF "$(cd "$root" && pwd -P)/usr/share/luapool/types" "$work/.luarc.json"

  it "has the library that the compiler, pkg-config and Lua find, in packages of their own"
  expect dpkg-deb -x build/deb/libluapool0_*.deb "$work/library"
  expect_file "$work/library/usr/lib/libluapool.so.0"
  expect dpkg-deb -x build/deb/libluapool-dev_*.deb "$work/dev"
  run env PKG_CONFIG_PATH="$work/dev/usr/lib/pkgconfig" pkg-config --modversion luapool
  expect_out "$version"
  expect dpkg-deb -x build/deb/lua-luapool_*.deb "$work/library"
  # A rpath would be one more place where a library may be put under it.
  expect sh -c '! readelf -d "$1" | grep -q RUNPATH' - "$work/library/usr/lib/lua/5.4/luapool.so"
  run env LD_LIBRARY_PATH="$work/library/usr/lib" LUA_CPATH_5_4="$work/library/usr/lib/lua/5.4/?.so" \
    lua5.4 -e 'print(require("luapool").version)'
  expect_out "$version"

  it "leaves nothing of the packaging among the sources"
  expect test -z "$(git status --porcelain debian 2>/dev/null | grep -v '^ M\|^M\|^A')"
fi
