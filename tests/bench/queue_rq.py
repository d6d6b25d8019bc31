"""Puts N no-ops on a queue of rq, and works them off in this process. Arguments: socket, N."""
import sys

import redis
import rq


def noop(n):
    return n


if __name__ == "__main__":
    import queue_rq  # the worker finds the function by the name of its module

    connection = redis.Redis(unix_socket_path=sys.argv[1])
    queue = rq.Queue(connection=connection)
    for n in range(int(sys.argv[2])):
        queue.enqueue(queue_rq.noop, n, result_ttl=3600)
    rq.SimpleWorker([queue], connection=connection).work(burst=True, logging_level="ERROR")
