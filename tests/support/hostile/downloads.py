"""Behaviours of servers of large files that break off, change, or mistake what part is wanted."""

import re
import time

from server import behaviour


def content(size, seed=0):
    block = bytes((i * 7 + i // 256 + seed) % 256 for i in range(65536))
    return (block * (size // 65536 + 1))[:size]


@behaviour
def ranges(c, size=300000, cuts=(), etag='"one"', modified=None, seeds=(0,), etags=None, how="right",
           encoding=None):
    """A file with ranges. Each response is cut behind so many bytes of `cuts`, while there are any;
    it is the file with the next of `seeds`, with the next of `etags`."""
    shared = c.shared
    while True:
        request = c.request()
        if not request:
            return
        n = shared["n"] = shared.get("n", -1) + 1
        seed = seeds[min(n, len(seeds) - 1)]
        tag = etags[min(n, len(etags) - 1)] if etags else etag
        data = content(size, seed)
        wanted = re.match(r"bytes=(\d+)-$", request.headers.get("range", ""))
        first = int(wanted[1]) if wanted else 0
        if wanted and request.headers.get("if-range") not in (tag, modified):
            wanted, first = None, 0
        if how == "416" and wanted:
            c.answer("no", "416 Range Not Satisfiable", f"Content-Range: bytes */{size}\r\n")
            continue
        last = size if how != "short" or not wanted else min(size, first + 100000)
        body = data[first:last]
        head = f"HTTP/1.1 {'206 Partial Content' if wanted else '200 OK'}\r\nContent-Length: {len(body)}\r\n"
        if wanted and how != "no range":
            shown = first if how != "other" else first - 100
            total = size if how != "longer" else size + 1
            head += f"Content-Range: bytes {shown}-{last - 1}/{total}\r\n"
        if tag:
            head += f"ETag: {tag}\r\n"
        if modified:
            head += f"Last-Modified: {modified}\r\n"
        if encoding:
            head += f"Content-Encoding: {encoding}\r\n"
        cut = cuts[n] if n < len(cuts) else None
        c.send(head.encode() + b"\r\n" + (body if cut is None else body[:cut]))
        if cut is not None:
            time.sleep(0.05)
            return
