"""Behaviours of HTTP/2: frames by hand, over TLS with ALPN (rows have tls = "h2"). Good frames are
made here too, so that a behaviour is good in all but one thing."""

import struct

from server import behaviour

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK = b"\x88"  # :status 200, out of HPACK's static table


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def number(value, bits):
    """An integer of HPACK, whose first byte has so many bits for it."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    out, value = bytearray([most]), value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(name, value, first=0):
    """A literal field; `first` 0x40 puts it into the dynamic table."""
    name, value = name.encode("latin-1"), value.encode("latin-1")
    return bytes([first]) + number(len(name), 7) + name + number(len(value), 7) + value


def next_request(c):
    """Reads up to the header of the next request. Returns its stream."""
    while True:
        head = c.read_exactly(9)
        if head is None:
            raise OSError("the client is gone")
        c.read_exactly(int.from_bytes(head[:3], "big"))
        if head[3] == SETTINGS and not head[4] & ACK:
            c.send(frame(SETTINGS, ACK))
        if head[3] == HEADERS:
            return int.from_bytes(head[5:9], "big")


def begin(c):
    """The handshake, up to the header of the first request. Returns its stream."""
    c.read_exactly(len(PREFACE))
    c.send(frame(SETTINGS))
    return next_request(c)


def header(stream, block=OK, flags=END_HEADERS, extra=b""):
    return frame(HEADERS, flags, stream, block + extra)


def last_header(stream, block=OK, extra=b""):
    return header(stream, block, END_HEADERS | END_STREAM, extra)


def data(stream, body=b"ok", flags=END_STREAM):
    return frame(DATA, flags, stream, body)


def whole(stream, *fields):
    """A whole answer with these fields behind its status."""
    return header(stream, OK, extra=b"".join(field(*f) for f in fields)) + data(stream)


def word(*values):
    """Numbers of four bytes each."""
    return struct.pack(f">{len(values)}I", *values)


def setting(name, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


def drain(c):
    """Reads on until the client closes, so that nothing of ours is lost by a RST."""
    try:
        c.wait_closed()
    except OSError:
        pass


@behaviour
def h2_good(c):
    """What every client should get along with."""
    stream = begin(c)
    while True:
        c.send(whole(stream))
        stream = next_request(c)


FRAMES = {
    "data without a header": data,
    "data on stream 0": lambda s: data(0),
    "header on stream 0": lambda s: header(0),
    "header on an idle stream": lambda s: header(s + 100),
    "header on a stream of the server": lambda s: header(2),
    "continuation out of nowhere": lambda s: frame(CONTINUATION, END_HEADERS, s, OK),
    "data between header and continuation": lambda s: header(s, flags=0) + data(s),
    "push": lambda s: frame(PUSH_PROMISE, END_HEADERS, s, word(2) + OK),
    "no status": lambda s: last_header(s, field("a", "b")),
    "two statuses": lambda s: last_header(s, OK + OK),
    "a status of letters": lambda s: last_header(s, field(":status", "abc")),
    "an unknown pseudo field": lambda s: last_header(s, OK + field(":what", "x")),
    "a pseudo field behind others": lambda s: last_header(s, field("a", "b") + OK),
    "a status among trailers": lambda s: header(s) + data(s, flags=0) + last_header(s),
    "an index beyond the table": lambda s: last_header(s, b"\xff\xe9\x06"),
    "index 0": lambda s: last_header(s, b"\x80"),
    "an endless integer": lambda s: last_header(s, b"\xff" * 21),
    "a string longer than its block": lambda s: last_header(s, OK + b"\x00\x05ab"),
    "broken Huffman code": lambda s: last_header(s, OK + b"\x00\x81\xff\x81\xff"),
    "a table larger than allowed": lambda s: last_header(s, b"\x3f\xff\xff\xff\x07" + OK),
    "padding longer than the frame": lambda s: header(s) + data(s, b"\xffok", PADDED | END_STREAM),
    "a frame beyond the allowed size": lambda s: (
        header(s, OK + field("content-length", "100000")) + data(s, b"x" * 100000)
    ),
    "a window of 0": lambda s: frame(WINDOW_UPDATE, 0, 0, word(0)),
    "a window beyond 2^31": lambda s: frame(WINDOW_UPDATE, 0, 0, word(0x7FFFFFFF)) * 2,
    "settings with a payload and ACK": lambda s: frame(SETTINGS, ACK, 0, b"\0" * 6),
    "settings of an odd length": lambda s: frame(SETTINGS, 0, 0, b"\0" * 5),
    "settings on a stream": lambda s: frame(SETTINGS, 0, s),
    "settings with a huge window": lambda s: setting(4, 0xFFFFFFFF),
    "settings with tiny frames": lambda s: setting(5, 1),
    "ping of an odd length": lambda s: frame(PING, 0, 0, b"x"),
    "ping on a stream": lambda s: frame(PING, 0, s, b"x" * 8),
    "goaway of an odd length": lambda s: frame(GOAWAY, 0, 0, b"x"),
    "a reset of an odd length": lambda s: frame(RST_STREAM, 0, s, b"x"),
    "a reset of stream 0": lambda s: frame(RST_STREAM, 0, 0, word(0)),
    "garbage": lambda s: b"\xde\xad\xbe\xef" * 100,
    "HTTP/1.1": lambda s: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a length that is longer than the body": lambda s: whole(s, ("content-length", "5")),
    "a length that is shorter than the body": lambda s: whole(s, ("content-length", "1")),
    "two lengths": lambda s: whole(s, ("content-length", "2"), ("content-length", "3")),
    "a name in capitals": lambda s: whole(s, ("X-A", "1")),
    "a value with a line end": lambda s: whole(s, ("x-a", "1\r\nx-b: 2")),
    "a name with a colon": lambda s: whole(s, ("x:a", "1")),
    "a header of the connection": lambda s: whole(s, ("connection", "close")),
    "a priority on itself": lambda s: frame(PRIORITY, 0, s, word(s) + b"\1") + whole(s),
    # These break no rule.
    "an unknown kind of frame": lambda s: frame(77, 0, s, b"x") + whole(s),
    "padding": lambda s: header(s) + data(s, b"\x05ok" + b"\0" * 5, PADDED | END_STREAM),
    "a continuation": lambda s: (
        header(s, b"", flags=0) + frame(CONTINUATION, END_HEADERS, s, OK) + data(s)
    ),
    "trailers": lambda s: header(s) + data(s, flags=0) + last_header(s, field("x-sum", "1")),
    "an informational answer": lambda s: header(s, field(":status", "103")) + whole(s),
}


@behaviour
def h2_frames(c, which):
    """The handshake, then what FRAMES has under this name; the connection stays open."""
    c.send(FRAMES[which](begin(c)))
    drain(c)


@behaviour
def h2_goaway(c, code=0, last=0):
    """GOAWAY in place of an answer."""
    begin(c)
    c.send(frame(GOAWAY, 0, 0, word(last, code)))
    drain(c)


@behaviour
def h2_goaway_inside(c):
    """GOAWAY while the body comes, for streams behind this one: it comes to its end."""
    stream = begin(c)
    c.send(header(stream) + data(stream, b"o", flags=0))
    c.send(frame(GOAWAY, 0, 0, word(stream, 0)) + data(stream, b"k"))
    drain(c)


@behaviour
def h2_reset(c, code=0, inside=False):
    """RST_STREAM in place of an answer, or inside its body; whoever comes back with HTTP/1.1 is
    served."""
    if c.sock.selected_alpn_protocol() != "h2":
        return c.serve()
    stream = begin(c)
    if inside:
        c.send(header(stream) + data(stream, b"x", flags=0))
    c.send(frame(RST_STREAM, 0, stream, word(code)))
    drain(c)


@behaviour
def h2_cut(c, inside="frame"):
    """The connection ends in the middle: of a frame, or between frames of the body."""
    stream = begin(c)
    c.send(header(stream) + data(stream, b"x", flags=0))
    if inside == "frame":
        c.send(frame(DATA, END_STREAM, stream, b"x", length=100))
    c.finish()


@behaviour
def h2_flood(c, which, n=0):
    """So many frames (0: until the client goes), then an answer."""
    stream = begin(c)
    pieces = {
        "ping": frame(PING, 0, 0, b"12345678"),
        "settings": frame(SETTINGS),
        "empty data": frame(DATA, 0, stream),
        "empty continuation": frame(CONTINUATION, 0, stream),
        "continuation": frame(CONTINUATION, 0, stream, field("x", "y" * 4000)),
        "informational": header(stream, field(":status", "103")),
        "priority": frame(PRIORITY, 0, stream, word(0) + b"\1"),
        "unknown": frame(99, 0, stream, b"x" * 100),
        "header": header(stream),
    }
    if "continuation" in which:
        c.send(header(stream, flags=0))
    if which == "empty data":
        c.send(header(stream))
    c.sock.settimeout(5)  # the client may have stopped to read
    sent = 0
    while n == 0 or sent < n:
        c.send(pieces[which] * 100)
        sent += 100
    c.send(whole(stream))
    drain(c)


@behaviour
def h2_bomb(c, times=4000):
    """A field of 4,000 bytes goes into the table, and then is named by one byte so many times."""
    stream = begin(c)
    block = OK + field("x", "y" * 3900, 0x40) + b"\xbe" * times
    c.send(header(stream, block[:16000], flags=0))
    c.send(frame(CONTINUATION, END_HEADERS, stream, block[16000:]) + data(stream))
    drain(c)


@behaviour
def h2_silent(c, after="preface"):
    """Nothing more comes: after the client's preface, its request, or our header."""
    if after != "preface":
        stream = begin(c)
        if after == "header":
            c.send(header(stream))
    drain(c)


@behaviour
def h2_no_settings(c):
    """An answer without the server's preface."""
    c.read_exactly(len(PREFACE))
    c.send(last_header(1))
    drain(c)
