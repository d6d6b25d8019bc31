"""Behaviours of connections: resets, closed and stale ones, bytes that nobody asked for."""

from server import behaviour


@behaviour
def good(c, body="ok"):
    """What every client should get along with."""
    c.serve(body)


@behaviour
def reset_behind(c, size=20000, cut=0, head=""):
    """A complete answer (less `cut` bytes), and RST right behind it."""
    c.request()
    c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{head}\r\n" + "x" * (size - cut))
    c.reset()


@behaviour
def reset_at_once(c):
    c.reset()


@behaviour
def reset_unanswered(c):
    c.request()
    c.reset()


@behaviour
def close_at_once(c):
    c.finish()


@behaviour
def close_unanswered(c):
    c.request()
    c.finish()


@behaviour
def refuse_upload(c, status="413 Too Large", body="big", linger=False):
    """Answers before the body of the request is read, and closes: the kernel sends RST."""
    c.request(body=False)
    c.answer(body, status, "Connection: close\r\n")
    if linger:
        c.wait_closed()


@behaviour
def stale(c, how="reset", answers=1, every=1):
    """Each `every`th connection answers so many requests; then it ends when the next one comes."""
    if (c.number - 1) % every:
        return c.serve()
    for _ in range(answers):
        if not c.request():
            return
        c.answer(f"connection {c.number}")
    c.request()
    if how == "reset":
        c.reset()
    elif how == "silent":
        c.wait_closed()


@behaviour
def cut_at(c, answer, how="finish"):
    """Ends behind as many bytes of the answer as the path says: "/17"."""
    request = c.request()
    c.send(answer.encode("latin-1")[: int(request.path[1:])])
    if how == "reset":
        c.reset()
    else:
        c.finish()
        c.wait_closed()


@behaviour
def early(c):
    """The first answer is there before the request; all is well otherwise."""
    c.answer()
    c.request()
    c.serve()
