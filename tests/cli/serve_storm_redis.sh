# The storm of serve_storm.sh, with the queue on a Redis that syncs each write.
STORE=redis
. tests/cli/serve_storm.sh
