# luapool.h and luapool.hpp alone, as a host's compiler reads it: C and C++, of several ages, without a warning.
. tests/support/cli.sh

include=$(tests/support/installed "${LUAPOOL%/*}" sh -c 'echo "$PREFIX/include"')
header=$include/luapool.h
flags="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only"

# reads COMPILER LANGUAGE STANDARD
reads() {
  it "is read by $1 as $3"
  echo '#include "'"$header"'"
    int main(void) { luapool_options o = LUAPOOL_OPTIONS; return o.size == 0; }' >"$work/host"
  # shellcheck disable=SC2086 # words
  expect "$1" -x "$2" -std="$3" $flags "$work/host"
}

for compiler in gcc clang; do
  command -v "$compiler" >/dev/null || continue
  for standard in c99 c11 c17; do reads "$compiler" c "$standard"; done
done
for standard in c++17 c++20; do reads g++ c++ "$standard"; done
for standard in c++17 c++20; do
  if command -v clang++ >/dev/null; then reads clang++ c++ "$standard"; fi
done

# reads_hpp COMPILER STANDARD
reads_hpp() {
  it "is read by $1 as $2, with luapool.hpp"
  echo '#include "'"$include"'/luapool.hpp"
    int main() { luapoolxx::runtime rt; rt.run(rt.load("", "=x", {1, 2.5f, "text", nullptr})); }' >"$work/host"
  # shellcheck disable=SC2046,SC2086 # words
  expect "$1" -x c++ -std="$2" $flags $(pkg-config --cflags lua5.4) "$work/host"
}

for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  for standard in c++17 c++20; do reads_hpp "$compiler" "$standard"; done
done
