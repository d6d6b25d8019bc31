# luapool serve: all that serve_kinds.sh tests, with the queue on a Redis.
STORE=redis
. tests/cli/serve_kinds.sh
