"""Puts N no-ops on a queue of Celery, and works them off in this process. Arguments: socket, N."""
import sys

import celery
from celery.worker import state

socket, n = sys.argv[1], int(sys.argv[2])
app = celery.Celery(broker="redis+socket://" + socket, backend="redis+socket://" + socket)
app.conf.update(result_expires=3600, worker_prefetch_multiplier=500, broker_connection_retry=False)
done = 0


@app.task(name="noop")
def noop(i):
    global done
    done += 1
    if done == n:
        state.should_stop = 0
    return i


if __name__ == "__main__":
    for i in range(n):
        noop.delay(i)
    try:
        app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-gossip",
                         "--without-mingle", "--without-heartbeat"])
    except SystemExit:
        pass
    assert done == n, done
