# What the installed libraries let a host see: the functions of luapool.h, all of them and no other name.
. tests/support/cli.sh

inside() { tests/support/installed "${LUAPOOL%/*}" "$@"; }
libdir=$(inside sh -c 'echo "$LD_LIBRARY_PATH"')
prefix=$(inside sh -c 'echo "$PREFIX"')
functions=$tap_dir/functions
sed -n 's/^LUAPOOL_API .*[ *]\(luapool_[a-z_0-9]*\)(.*/\1/p' "$prefix/include/luapool.h" |
  LC_ALL=C sort >"$functions"

# The names that nm tells of, without versions.
defined() { nm --defined-only "$@" | awk '$2 ~ /^[A-Z]$/ && $2 != "A" { sub("@.*", "", $3); print $3 }' | LC_ALL=C sort; }

# A test of a table that is empty would find nothing wrong.
it "reads the header"
expect test "$(wc -l <"$functions")" -gt 30
expect grep -qx luapool_open "$functions"

it "exports from libluapool.so what the header declares, and nothing else"
defined -D "$libdir/libluapool.so.0" >"$work/names"
expect diff "$functions" "$work/names"

it "shows in libluapool.a what the header declares, and nothing else"
defined -g "$libdir/libluapool.a" | grep -v '^__odr_asan' >"$work/names"
expect diff "$functions" "$work/names"

it "exports luaopen_luapool alone from the module of a plain lua5.4"
defined -D "$libdir/lua/5.4/luapool.so" >"$work/names"
echo luaopen_luapool | expect diff - "$work/names"

# What would change the host's process for good: its umask, locale and environment, what is called when it ends,
# its timers, the allocators of libraries that it may use as well, and its stdout.
it "wants no function that changes the process"
nm -D --undefined-only "$libdir/libluapool.so.0" | awk '{ sub("@.*", "", $2); print $2 }' >"$work/names"
expect grep -qx curl_global_init "$work/names"
cat >"$work/wrong" <<END
umask
setlocale
setenv
unsetenv
putenv
clearenv
atexit
on_exit
alarm
setitimer
setrlimit
curl_global_init_mem
xmlMemSetup
xmlGcMemSetup
xmlCleanupParser
CRYPTO_set_mem_functions
uv_replace_allocator
json_set_alloc_funcs
printf
__printf_chk
puts
perror
END
expect sh -c '! grep -Fxf "$1" "$2"' - "$work/wrong" "$work/names"

# By versions other Luas whose names have others, or none, are told from ours: see runtime/api/lua.h.
it "wants the functions of liblua5.4 by their version"
nm -D --undefined-only "$libdir/libluapool.so.0" | awk '$2 ~ /^lua/ { print $2 }' >"$work/names"
expect grep -qx lua_newstate@LUA_5.4 "$work/names"
expect sh -c '! grep -v "@LUA_5.4$" "$1"' - "$work/names"

it "keeps Lua's names in the program, for C modules"
nm -D --defined-only "$prefix/bin/luapool" >"$work/names"
expect grep -q ' T lua_newstate' "$work/names"
