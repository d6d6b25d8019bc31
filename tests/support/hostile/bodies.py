"""Behaviours of headers and bodies: bombs, broken framing and coding, what is too large or endless."""

import gzip
import select
import time
import zlib

from server import behaviour

BOMB = 96 << 20  # bytes that a bomb makes


def deflate(pieces, wbits):
    """Pieces, compressed; what they are is never in memory at once."""
    z = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([z.compress(piece) for piece in pieces] + [z.flush()])


def zeros(size):
    piece = bytes(1 << 20)
    return (piece for _ in range(size // len(piece)))


CODINGS = {
    "gzip": (lambda data: deflate([data], 31), 31),
    "zlib": (lambda data: deflate([data], 15), 15),
    "raw": (lambda data: deflate([data], -15), -15),
}
MADE = {}


def bomb(coding, size=BOMB, layers=1):
    """Compressed zeros, made once."""
    key = (coding, size, layers)
    if key not in MADE:
        data = deflate(zeros(size), CODINGS[coding][1])
        for _ in range(layers - 1):
            data = CODINGS[coding][0](data)
        MADE[key] = data
    return MADE[key]


# 300 MiB of zeros by brotli, which the standard library cannot write: 250 bytes.
BROTLI = bytes.fromhex(
    "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb7ffeff"
    "ffc33f0110870500baf7fffcffff877f02200e0b0074effff9ffff0fff04401c1600e8defff3ffff1ffe"
    "0980382c00d0bdffe7ffff3ffc1300715800a07bffcfffff7ff82700e2b00040f7fe9ffffffff04f00c4"
    "610180eefd3fffffffe19f0088c30200ddfb7ffeffffc33f0110870500baf7fffcffff877f02200e0b00"
    "74effff9ffff0fff04401c1600e8defff3ffff1ffe0980382c00d0bdffe7ffff3ffc1300715800a07bff"
    "cfffff7ff82700e2b00040f7fe9ffffffff04f00c4610180eefd7ffeffffe29f0088c30200ddfb5f"
)


def zstd_bomb(blocks):
    """A frame of RLE blocks, each of 128 KiB of zeros in four bytes: RFC 8878."""
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return bytes.fromhex("28b52ffd") + b"\x00\x38" + block * blocks + last


@behaviour
def encoded(c, what, coding, header=None):
    """A body in a coding: `what` names it."""
    header = header or f"Content-Encoding: {coding}\r\n"
    while c.request():
        c.answer(BODIES[what](), headers=header)


def gz(text):
    return gzip.compress(text.encode())


BODIES = {
    "gzip bomb": lambda: bomb("gzip"),
    "zlib bomb": lambda: bomb("zlib"),
    "raw bomb": lambda: bomb("raw"),
    "nested bomb": lambda: bomb("gzip", layers=2),
    "thrice nested bomb": lambda: bomb("gzip", layers=3),
    "brotli bomb": lambda: BROTLI,
    "zstd bomb": lambda: zstd_bomb(BOMB >> 17),
    "members": lambda: gz("hello ") + gz("world"),
    "thousand members": lambda: gz("x") * 1000,
    "padded": lambda: gz("hello") + bytes(1000),
    "rubbish behind": lambda: gz("hello") + b"rubbish",
    "cut": lambda: gz("hello " * 5000)[:-15],
    "cut in the trailer": lambda: gz("hello " * 5000)[:-1],
    "damaged": lambda: gz("hello " * 5000)[:-8] + bytes(8),
    "plain": lambda: b"plain text",
    "empty": lambda: b"",
    "zlib": lambda: zlib.compress(b"hello"),
    "raw": lambda: CODINGS["raw"][0](b"hello"),
    "legal": lambda: bomb("gzip", 8 << 20),
    "twice": lambda: gzip.compress(gz("hello")),
    "six times": lambda: six(b"hello"),
}


def six(data):
    for _ in range(6):
        data = gzip.compress(data)
    return data


@behaviour
def endless(c, head="", unit="x"):
    """A body without a length that never ends."""
    c.request()
    c.send(f"HTTP/1.1 200 OK\r\n{head}\r\n")
    while True:
        c.send(unit * 65536)


@behaviour
def endless_gzip(c):
    """64 KB that compress well, for ever: a block that can stand behind itself, made once."""
    c.request()
    c.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    z = zlib.compressobj(1, zlib.DEFLATED, 31)
    c.send(z.flush(zlib.Z_FULL_FLUSH))
    block = z.compress(bytes(range(256)) * 256) + z.flush(zlib.Z_FULL_FLUSH)
    while True:
        c.send(block * 16)


@behaviour
def endless_members(c):
    """Empty members for ever: bytes come, and nothing comes out."""
    c.request()
    c.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    while True:
        c.send(gz("") * 1000)


@behaviour
def endless_header(c, line="X-Many: x\r\n", status="HTTP/1.1 200 OK\r\n"):
    c.request()
    c.send(status)
    while True:
        c.send(line * 1000)


@behaviour
def endless_continue(c):
    """Interim responses for ever."""
    c.request()
    while True:
        c.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)


@behaviour
def long_line(c, size, name="X-Long"):
    while c.request():
        c.answer("hello", headers=f"{name}: {'a' * size}\r\n")


@behaviour
def long_status(c, size):
    c.request()
    c.send(f"HTTP/1.1 200 {'a' * size}\r\nContent-Length: 0\r\n\r\n")


@behaviour
def endless_trailer(c, line="X-Many: x\r\n"):
    c.request()
    c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    while True:
        c.send(line * 1000)


@behaviour
def raw(c, answer, close=True):
    """Any bytes as the answer."""
    c.request()
    c.send(answer)
    if not close:
        c.wait_closed()


@behaviour
def drip(c, head="HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", unit="x", pause=0.05):
    """Bit by bit, for ever."""
    c.request()
    c.send(head)
    while True:
        c.send(unit)
        time.sleep(pause)


@behaviour
def stall(c, head="HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", bytes_before=10):
    """Some of the body, then nothing."""
    c.request()
    c.send(head + "x" * bytes_before)
    c.wait_closed()


@behaviour
def connect_407(c):
    """A proxy that wants a password."""
    while c.request():
        c.answer("no", "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="p"\r\n')


@behaviour
def deaf(c):
    """Reads the head of the request and nothing more."""
    c.request(body=False)
    poll = select.poll()
    poll.register(c.raw, select.POLLRDHUP)
    poll.poll()


@behaviour
def pieces(c, pieces, pause=0.02):
    """A body that comes in these pieces."""
    c.request()
    c.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for piece in pieces:
        c.send(piece)
        time.sleep(pause)
