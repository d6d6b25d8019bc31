"""A small DNS server for tests, over UDP and TCP: `server.py ADDRESS`. It prints "ready" when it
listens. What it answers is told by the first label of the name, up to its first digit:

    good, alias, both, half     127.0.0.1; by a CNAME; and ::1; and AAAA is never answered
    short                       127.0.0.1 with a time to live of 1 s
    none, servfail, refused     NXDOMAIN, SERVFAIL, REFUSED
    dead                        nothing
    slow                        127.0.0.1 after 0.3 s
    big                         nothing over UDP, as it is too large; 127.0.0.9 over TCP
    lies                        first two wrong answers, then 127.0.0.1
    garbage                     bytes at random
    loop                        a CNAME for itself
    private, mapped, metadata   10.0.0.1; ::ffff:127.0.0.1; 169.254.169.254
    held                        127.0.0.1 when "release" with the same number is asked for
    count                       127.0.HIGH.LOW: how often the rest of the name was asked for (A)

Every name under `test` is known so; nothing else is, but the name of 127.0.0.5."""
import collections
import re
import selectors
import socket
import struct
import sys
import time

A, CNAME, PTR, AAAA = 1, 5, 12, 28
counts = collections.Counter()


def read_question(packet):
    labels, at = [], 12
    while packet[at]:
        size = packet[at]
        labels.append(packet[at + 1:at + 1 + size].decode("ascii", "replace").lower())
        at += 1 + size
    return labels, struct.unpack(">H", packet[at + 1:at + 3])[0], packet[12:at + 5]


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(kind, data, ttl=300, name=b"\xc0\x0c"):
    return name + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reply(packet, question, records=(), code=0, truncated=False):
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    head = packet[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
    return head + question + b"".join(records)


def address(text):
    return socket.inet_aton(text)


held = {}  # what was asked for and waits for its release -> functions that send the answer


def answer(packet, tcp, send):
    """Returns a list of (seconds to wait, bytes)."""
    labels, kind, question = read_question(packet)
    first = re.match(r"[a-z-]*", labels[0] if labels else "").group()
    home = record(A, address("127.0.0.1"))

    def one(records=(), **more):
        return [(0, reply(packet, question, records, **more))]

    if kind == A:
        counts[".".join(labels)] += 1
    if labels == ["5", "0", "0", "127", "in-addr", "arpa"]:
        return one([record(PTR, encode("five.good.test"))])
    if not labels or labels[-1] != "test":
        return one(code=3)
    if first in ("good", "xn--bcher-kva", "intranet"):
        return one([home] if kind == A else ())
    if first == "alias":
        target = encode("good.test")
        records = [record(CNAME, target, 30)]
        if kind == A:
            records.append(record(A, address("127.0.0.1"), 300, target))
        return one(records)
    if first == "both":
        return one([home if kind == A else record(AAAA, socket.inet_pton(socket.AF_INET6, "::1"))])
    if first == "half":
        return one([home]) if kind == A else []
    if first == "short":
        return one([record(A, address("127.0.0.1"), 1)] if kind == A else ())
    if first in ("servfail", "refused"):
        return one(code=2 if first == "servfail" else 5)
    if first == "dead":
        return []
    if first == "slow":
        return [(0.3, reply(packet, question, [home] if kind == A else ()))]
    if first == "held":
        held.setdefault(labels[0][4:], []).append(
            lambda: send(reply(packet, question, [home] if kind == A else ())))
        return []
    if first == "release":
        for answer_held in held.pop(labels[0][7:], ()):
            answer_held()
        return one([home] if kind == A else ())
    if first == "big":
        if not tcp:
            return one(truncated=True)
        return one([record(A, address("127.0.0.9"))] if kind == A else ())
    if first == "lies":
        wrong_id = bytes([packet[0] ^ 1]) + packet[1:]
        wrong = record(A, address("127.0.0.66"))
        other = b"\x05other\x04test\0" + struct.pack(">HH", kind, 1)
        return [(0, reply(wrong_id, question, [wrong])), (0, reply(packet, other, [wrong])),
                (0.05, reply(packet, question, [home] if kind == A else ()))]
    if first == "garbage":
        return [(0, packet[:2] + b"\x81\x80" + bytes(range(3, 90)))]
    if first == "loop":
        return one([record(CNAME, encode(".".join(labels)))])
    if first == "private":
        return one([record(A, address("10.0.0.1"))] if kind == A else ())
    if first == "metadata":
        return one([record(A, address("169.254.169.254"))] if kind == A else ())
    if first == "mapped":
        mapped = socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")
        return one([record(AAAA, mapped)] if kind == AAAA else ())
    if first == "count":
        n = counts[".".join(labels[1:])]
        return one([record(A, bytes([127, 0, n >> 8 & 255, n & 255]), 0)] if kind == A else ())
    return one(code=3)


def main():
    where = (sys.argv[1], 53)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # SO_RCVBUFFORCE: what thousands of queries need when this process does not get the CPU
    udp.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)
    udp.bind(where)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(where)
    tcp.listen(64)
    events = selectors.DefaultSelector()
    events.register(udp, selectors.EVENT_READ)
    events.register(tcp, selectors.EVENT_READ)
    print("ready", flush=True)
    later = []  # (when, send)
    while True:
        wait = max(0, min(when for when, _ in later) - time.monotonic()) if later else None
        for key, _ in events.select(wait):
            if key.fileobj is udp:
                packet, peer = udp.recvfrom(4096)

                def send(data, to=peer):
                    udp.sendto(data, to)
            elif key.fileobj is tcp:
                events.register(tcp.accept()[0], selectors.EVENT_READ)
                continue
            else:
                stream = key.fileobj
                head = stream.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    events.unregister(stream)
                    stream.close()
                    continue
                packet = stream.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)

                def send(data, to=stream):
                    to.sendall(struct.pack(">H", len(data)) + data)
            for delay, data in answer(packet, key.fileobj is not udp, send):
                if delay:
                    later.append((time.monotonic() + delay, lambda s=send, d=data: s(d)))
                else:
                    send(data)
        now = time.monotonic()
        due = [send for when, send in later if when <= now]
        later = [(when, send) for when, send in later if when > now]
        for send in due:
            send()


main()
