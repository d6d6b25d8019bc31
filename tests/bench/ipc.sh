# Frames and processes: what a round trip over a channel costs, how long six workers take to run.
"$BUILD/tests/bench/channel"
"$BUILD/tests/bench/spawn"
