"""Behaviours of redirections."""

from server import behaviour


@behaviour
def always(c, answer):
    """The same bytes to each request."""
    while c.request():
        c.send(answer)
