# luapool.h alone, as a host's compiler reads it: C and C++, of several ages, without a warning.
. tests/support/cli.sh

header=$(tests/support/installed "${LUAPOOL%/*}" sh -c 'echo "$PREFIX/include/luapool.h"')
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
