# Functions of the standard library that count their steps, beside the standard ones: what a
# sandbox pays. At most a tenth more.
. tests/support/bench.sh

cost "$BUILD/tests/bench/counted"
echo "counted functions of a sandbox"
while IFS='|' read -r what ours standard; do
  limit=$(awk -v s="$standard" 'BEGIN { printf "%.1f", s * 1.1 }')
  row "$what" "$ours" "$standard" "$limit" ns
done <"$bench_out"
