# The hosts of this folder under valgrind: what they and the library do with memory, also where no
# sanitizer's allocator is. valgrind.supp says what is not ours, and why.
. tests/support/cli.sh

build=${LUAPOOL%/*}
tools="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"
tools="$tools --child-silent-after-fork=yes --suppressions=tests/embed/valgrind.supp"

if grep -q '^LP_SANITIZE:.*=.' "$build/CMakeCache.txt"; then
  it "runs all hosts"
  skip "this build has a sanitizer"
  exit 0
fi

for host in tests/embed/*.c tests/embed/*.cpp; do
  why=$(sed -n 's/^.*valgrind: no, \([^*]*[^* ]\).*/\1/p' "$host")
  it "runs $(basename "$host")"
  if [ -n "$why" ]; then
    skip "$why"
  else
    run env EMBED_UNDER="$tools" tests/support/embed "$build" "$host"
    expect_status 0
  fi
done
