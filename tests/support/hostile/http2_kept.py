"""Behaviours of HTTP/2 connections that several requests share."""

from http2 import begin, next_request, whole
from server import behaviour


@behaviour
def h2_stalls(c, answers=1):
    """The first connection answers so many requests; all later ones it answers when the test gives
    its signal. Other connections are good."""
    stream, held = begin(c), []
    for i in range(1, 1 << 30):
        if c.number == 1 and i > answers:
            held.append(stream)
            c.listener.note("held")
            if len(held) == 2:
                c.listener.wait(signals=1)
                c.send(b"".join(whole(s) for s in held))
        else:
            c.send(whole(stream))
        stream = next_request(c)


@behaviour
def silent(c):
    """Nothing comes, not even a handshake."""
    c.wait_closed()
