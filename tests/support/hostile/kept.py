"""Behaviours of kept connections that are not clean: bytes that belong to no request.

Every answer's body is the path that was asked for, so a client that takes the surplus for an answer
is found out. The surplus is an answer by itself, complete with a body that nobody asked for."""

from server import behaviour

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def echo(c, request, head=""):
    body = b"" if request.method == "HEAD" else request.path.encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(request.path)}\r\n{head}\r\n".encode() + body


@behaviour
def surplus(c, data=EVIL, times=1, exact=0):
    """Behind each answer, in the same packets: the surplus. With `exact`, the answer itself is so
    long that one read of the client takes it and no more."""
    data = data.encode("latin-1") if isinstance(data, str) else data
    while request := c.request():
        short = max(0, exact - len(echo(c, request, "X-Fill: \r\n")))
        c.send(echo(c, request, f"X-Fill: {'z' * short}\r\n") + data * times)


@behaviour
def surplus_chunked(c, fill=0):
    """The same behind the last chunk."""
    while request := c.request():
        path = request.path.encode()
        c.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(path), path)
            + b"z" * fill + EVIL
        )


@behaviour
def head_with_body(c, body=EVIL, size=0):
    """HEAD is answered as GET is, with a body."""
    body = body.encode("latin-1") if isinstance(body, str) else body
    body += b"z" * size
    while request := c.request():
        if request.method == "HEAD":
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            c.send(echo(c, request))


@behaviour
def bodies_without(c, status="204 No Content", size=0):
    """A status that has no body comes with one; every other path is answered well."""
    while request := c.request():
        if "bad" in request.path:
            c.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(EVIL)}\r\n\r\n".encode() + EVIL + b"z" * size)
        else:
            c.send(echo(c, request))


@behaviour
def push_idle(c, data=EVIL, end=False):
    """The answer is complete. When the test gives its signal, more comes by itself, on the first
    connection, and is counted as `pushed`."""
    data = data.encode("latin-1") if isinstance(data, str) else data
    while request := c.request():
        c.send(echo(c, request))
        if c.number == 1:
            c.listener.wait(signals=1)
            c.send(data)
            c.listener.note("pushed")
            if end:
                return
