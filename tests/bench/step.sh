# A host that has luapool inside: the CPU of steps with a budget, of one with nothing to do, of open and close.
# A step may take half a millisecond more than its budget at most, in 99.9 % of all.
. tests/support/bench.sh

if [ -z "${NGINX_URL:-}" ]; then
  mkdir "$bench_dir/root"
  head -c 1024 /dev/zero | tr '\0' x >"$bench_dir/root/1k"
  tests/support/nginx -r "$bench_dir/root" run sh "$0"
  exit
fi

step=$BUILD/tests/bench/step

# steps TASKS BUDGET STEPS: three rows.
steps() {
  # shellcheck disable=SC2046 # four numbers
  set -- "$@" $("$step" tasks "$1" "$2" "$3" tests/bench/step_tasks.lua "$NGINX_URL/delay/0.05")
  name="step of $2 us, $1 tasks"
  row "$name, 99 %" "$5" - $(($2 + 500)) us
  row "$name, 99.9 %" "$6" - $(($2 + 500)) us
  row "$name, the longest" "$7" - $(($2 * 2)) us
}

steps 10000 2000 5000
steps 1000 500 10000
row "step with nothing to do" "$("$step" idle)" - 2 us
# shellcheck disable=SC2046 # two numbers
set -- $("$step" life)
row "open and close" "$1" - 100 us
row "an idle runtime" "$2" - 110 KiB
