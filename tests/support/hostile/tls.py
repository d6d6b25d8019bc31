"""Behaviours of TLS. Rows have tls = "raw": the URL is https, and the behaviour makes the
handshake itself, or something else."""

import os
import socket
import ssl
import subprocess
import threading
import warnings

from server import behaviour

warnings.simplefilter("ignore", DeprecationWarning)  # of old versions of TLS
making = threading.Lock()


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def sign(path, signer, days):
    openssl("x509", "-req", "-in", path + ".csr", *signer, "-set_serial", "77", *days,
            "-extfile", path + ".cnf", "-out", path + ".pem")  # fmt: skip


def make(folder, name):
    """Makes NAME.pem and NAME.key in the folder, once: expired, another_host, self_signed."""
    path = f"{folder}/{name}"
    address = "DNS:elsewhere.invalid" if name == "another_host" else "IP:127.0.0.1"
    with making:
        if os.path.exists(path + ".pem"):
            return
        with open(path + ".cnf", "w") as file:
            file.write(f"subjectAltName={address}\n")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-out", path + ".key")  # fmt: skip
        openssl("req", "-new", "-key", path + ".key", "-subj", "/CN=localhost",
                "-out", path + ".csr")  # fmt: skip
        signer = ["-signkey", path + ".key"]
        if name != "self_signed":
            signer = ["-CA", folder + "/ca.pem", "-CAkey", folder + "/ca.key"]
        if name != "expired":
            return sign(path, signer, ["-days", "30"])
        try:
            sign(path, signer, ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"])
        except subprocess.CalledProcessError:  # OpenSSL before 3.4 has no such arguments
            sign(path, signer, ["-days", "-1"])


@behaviour
def tls_certificate(c, name):
    server = c.listener.server
    make(server.folder, name)
    c.start_tls(server.tls(certificate=name))
    c.serve()


@behaviour
def tls_version(c, most):
    """A server that has grown old."""
    context = c.listener.server.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = getattr(ssl.TLSVersion, most)
    c.start_tls(context)
    c.serve()


@behaviour
def tls_cipher(c, cipher):
    """TLS 1.2 with one cipher."""
    context = c.listener.server.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    c.start_tls(context)
    c.serve()


@behaviour
def tls_wants_certificate(c):
    context = c.listener.server.tls()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(c.listener.server.folder + "/ca.pem")
    c.start_tls(context)
    c.serve()


@behaviour
def tls_bytes(c, what, how="open"):
    """Something else than a handshake, once the client has begun one."""
    c.read()
    answers = {
        "nothing": b"",
        "plain HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno",
        "garbage": b"\xde\xad\xbe\xef" * 1000,
        "a fatal alert": bytes.fromhex("15030300020228"),
        "an alert: unknown name": bytes.fromhex("15030300020270"),
        "a record longer than allowed": b"\x16\x03\x03\xff\xff" + b"x" * 65535,
        "half a record": b"\x16\x03\x03\x01\x00\x02",
        "an empty record": b"\x16\x03\x03\x00\x00",
        "data before the handshake": b"\x17\x03\x03\x00\x02ok",
        "the client's own words": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    }
    c.send(answers[what])
    if how == "reset":
        c.reset()
    elif how == "finish":
        c.finish()
    else:
        c.wait_closed()


@behaviour
def tls_warnings(c):
    """Warnings without end in place of a handshake."""
    c.read()
    c.sock.settimeout(5)
    while True:
        c.send(bytes.fromhex("15030300020100") * 100)


@behaviour
def tls_cut(c, at, how="finish"):
    """The handshake goes through us to a server of our own: after so many bytes from there we end."""
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = c.listener.server.tls().wrap_bio(inside, outside, server_side=True)
    sent = 0
    while sent < at:
        try:
            tls.do_handshake()
            return c.serve()
        except ssl.SSLWantReadError:
            pass
        out = outside.read()[: at - sent]
        c.send(out)
        sent += len(out)
        if sent < at:
            more = c.read()
            if not more:
                return
            inside.write(more)
    if how == "reset":
        c.reset()
    else:
        c.finish()


def plain(c):
    """The socket below TLS, which is left."""
    return socket.socket(fileno=c.sock.detach())


def read_out(sock):
    while sock.recv(65536):
        pass
    sock.close()


@behaviour
def tls_truncated(c, head="", notify=False):
    """A body that ends with the connection, with or without a word of TLS that it ends."""
    c.start_tls()
    c.request()
    c.send(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\nhalf of the body")
    if notify:
        c.finish()
        return c.wait_closed()
    sock = plain(c)
    sock.shutdown(socket.SHUT_WR)
    read_out(sock)


@behaviour
def tls_forged(c, what="data"):
    """A record in the middle of the body that nobody has encrypted."""
    c.start_tls()
    c.request()
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
    sock = plain(c)
    records = {
        "data": b"\x17\x03\x03\x00\x20" + b"\0" * 32,
        "an alert": bytes.fromhex("15030300020100"),
        "no record": b"HTTP/1.1 200 OK\r\n\r\n" * 10,
    }
    sock.sendall(records[what])
    sock.shutdown(socket.SHUT_WR)
    read_out(sock)
