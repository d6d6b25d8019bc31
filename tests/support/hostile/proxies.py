"""Behaviours of proxies."""

import time

from server import behaviour


@behaviour
def proxy(c, answer, how="finish"):
    """Any bytes as the answer to the request for a tunnel, then FIN, RST or nothing."""
    c.request()
    c.send(answer)
    if how == "finish":
        c.finish()
    elif how == "reset":
        c.reset()
    else:
        c.wait_closed()


@behaviour
def proxy_endless(c, head="HTTP/1.1 200 OK\r\n", unit="X: y\r\n", pause=0):
    """The head of the answer never ends."""
    c.request()
    c.send(head)
    while True:
        c.send(unit * (1 if pause else 1000))
        time.sleep(pause)


@behaviour
def socks(c, answers, how="finish"):
    """Bytes, in hexadecimal digits, as the answer to each message; then FIN, RST or nothing."""
    for answer in answers:
        if not c.read():
            return
        c.send(bytes.fromhex(answer))
    if how == "finish":
        c.finish()
    elif how == "reset":
        c.reset()
    else:
        c.wait_closed()
