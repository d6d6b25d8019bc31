"""The machinery of the hostile server: listeners, connections, counters, the control port.

A behaviour is a function that gets a Connection, and what the test gave as arguments. It has the
raw socket and does with it what it likes; the connection is closed when it returns. Each test
opens a listener of its own for one behaviour, so its counters are its own. One thread serves one
connection. Only the standard library is used.
"""

import collections
import json
import socket
import ssl
import struct
import sys
import threading
import traceback

BEHAVIOURS = {}
RECORD_MAX = 1 << 20  # bytes that a listener keeps of what it received


def behaviour(fn, name=None):
    """Adds a row: as a decorator (the function's name is the behaviour's), or called with both."""
    name = name or fn.__name__
    assert name not in BEHAVIOURS, f"two behaviours are named {name}"
    BEHAVIOURS[name] = fn
    return fn


class Request:
    """What a client asked: the head as it came, the lines and the body apart."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.head = head
        self.line = lines[0]
        self.method, _, rest = self.line.partition(" ")
        self.path = rest.rpartition(" ")[0]
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                self.headers[name.strip().lower()] = value.strip()
        self.body = b""


class Connection:
    """One connection. `number` counts from 1 in its listener; `sock` is the raw socket, or the
    TLS one after start_tls(); `shared` is a dict of the listener's for what behaviours remember."""

    def __init__(self, listener, sock, number):
        self.listener, self.sock, self.number = listener, sock, number
        self.raw = sock
        self.shared = listener.shared
        self.buffer = b""

    def read(self, n=65536):
        """Some bytes, b"" at the end."""
        if self.buffer:
            data, self.buffer = self.buffer[:n], self.buffer[n:]
            return data
        data = self.sock.recv(n)
        self.listener.record(data)
        return data

    def read_until(self, mark):
        """Everything up to and with the mark; None when the client closes before."""
        data = b""
        while mark not in data:
            more = self.read()
            if not more:
                return None
            data += more
        end = data.index(mark) + len(mark)
        self.buffer = data[end:] + self.buffer
        return data[:end]

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.read(n - len(data))
            if not more:
                return None
            data += more
        return data

    def read_chunks(self):
        body = b""
        while True:
            line = self.read_until(b"\r\n")
            if line is None:
                return None
            size = int(line.split(b";")[0], 16)
            piece = self.read_exactly(size + 2)
            if piece is None:
                return None
            if size == 0:
                return body
            body += piece[:-2]

    def request(self, body=True):
        """The next request, with its body unless it is left unread; None when there is none."""
        head = self.read_until(b"\r\n\r\n")
        if head is None:
            return None
        request = Request(head)
        self.listener.count(request)
        if body and "content-length" in request.headers:
            request.body = self.read_exactly(int(request.headers["content-length"]))
        elif body and request.headers.get("transfer-encoding") == "chunked":
            request.body = self.read_chunks()
        return None if request.body is None else request

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def answer(self, body=b"ok", status="200 OK", headers=""):
        """A whole, clean response; `headers` are lines that end with CR LF."""
        body = body.encode("latin-1") if isinstance(body, str) else body
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def serve(self, body=b"ok"):
        """Answers cleanly until the client closes."""
        while self.request():
            self.answer(body)

    def reset(self):
        """RST: what is not yet sent is lost, what is sent is not."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def finish(self):
        """FIN (with TLS: close_notify before it); reading goes on."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(0.01)
            try:
                self.sock.unwrap()
            except OSError:
                pass
            self.raw = self.sock
            self.raw.settimeout(None)
        self.raw.shutdown(socket.SHUT_WR)

    def wait_closed(self):
        """Reads until the client closes."""
        while self.read():
            pass

    def start_tls(self, context=None):
        self.sock = (context or self.listener.server.tls()).wrap_socket(self.raw, server_side=True)
        self.raw = self.sock

    def close(self):
        self.sock.close()


class Listener:
    """A port with one behaviour, and what it has seen."""

    def __init__(self, server, name, args, tls=False, host="127.0.0.1", backlog=256):
        self.server, self.fn, self.args, self.is_tls = server, BEHAVIOURS[name], args, tls
        self.shared = {}
        self.changed = threading.Condition()  # its lock is an RLock
        self.counters = collections.Counter(connections=0, closed=0, requests=0, signals=0)
        self.lines = []
        self.received = bytearray()
        self.failure = None
        self.open = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.create_server((host, 0), family=family, backlog=backlog)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.note("connections")
                c = Connection(self, sock, self.counters["connections"])
                self.open.add(c)
            threading.Thread(target=self.run, args=(c,), daemon=True).start()

    def run(self, c):
        try:
            if self.is_tls in (True, "h2"):
                c.start_tls(self.server.tls(alpn=["h2"] if self.is_tls == "h2" else None))
            self.fn(c, **self.args)
        except (OSError, ssl.SSLError):
            pass  # the client went away, or the behaviour closed the socket itself
        except Exception:
            self.failure = traceback.format_exc()
            print(self.failure, file=sys.stderr)
        c.close()
        with self.changed:
            self.open.discard(c)
            self.note("closed")

    def record(self, data):
        with self.changed:
            self.received += data[: RECORD_MAX - len(self.received)]

    def note(self, counter):
        """Counts something, which a test may wait for."""
        with self.changed:
            self.counters[counter] += 1
            self.changed.notify_all()

    def count(self, request):
        with self.changed:
            self.lines.append(request.line)
            del self.lines[:-100]
            self.note("requests")

    def stats(self):
        with self.changed:
            return {
                **self.counters,
                "lines": self.lines,
                "received": self.received.hex(),
                "failure": self.failure,
            }

    def wait(self, timeout=20, **least):
        """Until each counter of `least` has at least its value."""

        def reached():
            return all(self.counters[name] >= value for name, value in least.items())

        with self.changed:
            return self.changed.wait_for(reached, timeout)

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.sock.close()
        with self.changed:
            left = list(self.open)
        for c in left:
            try:
                socket.socket.shutdown(c.raw, socket.SHUT_RDWR)
            except OSError:
                pass


class Server:
    """The control port: a line of JSON comes, a line of JSON goes back. See hostile.lua."""

    def __init__(self, folder):
        self.folder = folder
        self.listeners = {}
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.sock.getsockname()[1]

    def tls(self, alpn=None, certificate="server"):
        """The server's side of TLS, with the certificate that nginx uses too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = f"{self.folder}/{certificate}"
        context.load_cert_chain(f"{path}.pem", f"{path}.key")
        if alpn:
            context.set_alpn_protocols(alpn)
        return context

    def do(self, op, id=None, **args):
        if op == "open":
            listener = Listener(self, **args)
            self.listeners[listener.port] = listener
            return {"id": listener.port, "port": listener.port}
        if op == "names":
            return sorted(BEHAVIOURS)
        listener = self.listeners[id]
        if op == "stats":
            return listener.stats()
        if op == "wait":
            return listener.wait(**args)
        if op == "signal":
            return listener.note("signals")
        if op == "close":
            del self.listeners[id]
            listener.stop()
            return True
        raise ValueError(op)

    def control(self, sock):
        with sock, sock.makefile("rw") as lines:
            for line in lines:
                try:
                    reply = {"result": self.do(**json.loads(line))}
                except Exception:
                    reply = {"error": traceback.format_exc()}
                lines.write(json.dumps(reply) + "\n")
                lines.flush()

    def run(self):
        while True:
            sock, _ = self.sock.accept()
            threading.Thread(target=self.control, args=(sock,), daemon=True).start()
