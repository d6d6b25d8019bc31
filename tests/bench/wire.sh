# Values and functions as bytes: nanoseconds to encode and to decode one.
"$BUILD/tests/bench/wire"
