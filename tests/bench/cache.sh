# Caches: what an operation costs, beside cachetools for Python, which is to be no cheaper. What it costs to start,
# to fill the cache and to make the keys is taken off both.
. tests/support/bench.sh

# one TEXT N POLICY WHAT [ttl]
one() {
  text=$1 n=$2 policy=$3 what=$4
  shift 4
  case $what in mixed | fetch) base_load=nothing base_n=$n ;; *) base_load=$what base_n=1 ;; esac
  cost /usr/bin/python3 tests/bench/cache_peer.py "$policy" "$base_load" "$base_n" "$@"
  base=$cpu_us
  cost /usr/bin/python3 tests/bench/cache_peer.py "$policy" "$what" "$n" "$@"
  peer=$(per "$cpu_us" "$n" "$base")
  cost luapool run tests/bench/cache.lua -- "$policy" "$base_load" "$base_n" "$@"
  base=$cpu_us
  cost luapool run tests/bench/cache.lua -- "$policy" "$what" "$n" "$@"
  row "$text" "$(per "$cpu_us" "$n" "$base")" "$peer" "$peer" us
}

one "cache: get, lru" 1000000 lru get
one "cache: get, lfu" 1000000 lfu get
one "cache: set of a new key in a full one, lru" 1000000 lru set
# cachetools looks at every entry to find the one that was used least often.
one "cache: set of a new key in a full one, lfu" 20000 lfu set
one "cache: get, and set what is missing, lru" 1000000 lru mixed
one "cache: the same with a ttl" 1000000 lru mixed ttl
one "cache: fetch, lru" 1000000 lru fetch
