# luapool serve: all that serve.sh tests, with the queue on a Redis.
STORE=redis
. tests/cli/serve.sh
