"""Servers that answer, redirect, lie and hang, for probes: certificates of openssl, HTTP by hand over bare sockets."""

import gzip
import os
import socket
import ssl
import subprocess
import threading
import time
import zlib

HOST = "127.0.0.1"
BODY = b"welcome to the shop"
# Longer than any probe waits.
HANG_S = 30


class Authority:
    """An authority of openssl's, and the certificates that it signs."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key, self.pem = self._file(f"{name}.key"), self._file(f"{name}.pem")
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
            "-subj", f"/C=DE/O=Shop, Inc./CN={name}", "-keyout", self.key, "-out", self.pem)

    def issue(self, label, names, begin="20200101000000Z", end="20491231235959Z"):
        """Certificate and key, for these names from then until then."""
        key, request, pem = (self._file(f"{label}.{kind}") for kind in ("key", "csr", "pem"))
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/O=Shop/CN={label}",
            "-keyout", key, "-out", request)
        base, settings = self._file(f"{label}.d"), self._file(f"{label}.cnf")
        os.makedirs(base)
        open(os.path.join(base, "index.txt"), "w").close()
        with open(settings, "w", encoding="utf-8") as file:
            file.write(f"[ca]\ndefault_ca=a\n[a]\nnew_certs_dir={base}\ndatabase={base}/index.txt\n"
                       f"rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\nO=optional\nCN=supplied\n"
                       f"[e]\nbasicConstraints=CA:FALSE\nsubjectAltName={names}\n")
        run("ca", "-batch", "-notext", "-config", settings, "-extensions", "e", "-cert", self.pem, "-keyfile", self.key,
            "-startdate", begin, "-enddate", end, "-in", request, "-out", pem)
        return pem, key

    def _file(self, name):
        return os.path.join(self.folder, name)


def run(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Server:
    """One port; a thread for each connection, which `speak(connection)` serves."""

    def __init__(self, speak, context=None, backlog=128):
        self._speak, self._context = speak, context
        self._listener = socket.create_server((HOST, 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._speak(connection)
                if self._context:
                    connection.unwrap()
        except OSError:
            pass

    def close(self):
        self._listener.close()


def over_tls(pem, key, **settings):
    """How a server serves this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def answer(status, body=b"", headers=(), length=True):
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def shop(elsewhere=""):
    """Serves what its paths say; `elsewhere` is another server."""

    def speak(connection):
        head, body = read_request(connection)
        if not head:
            return
        method, path = head.split(" ")[:2]
        path = path if path.startswith("/") else "/" + path.split("/", 3)[3]
        connection.sendall(reply(method, path, head, body, elsewhere, connection))

    return speak


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return "", b""
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    head = head.decode()
    wanted = next((int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
    while len(body) < wanted:
        body += connection.recv(65536)
    return head, body


PLAIN = {
    "/": answer("200 OK", BODY, [("Server", "shop"), ("Via", "a"), ("Via", "b"),
                                 ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")]),
    "/empty": answer("204 No Content", length=False),
    "/until-end": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nwelcome\r\n0\r\n\r\n",
    "/continue": b"HTTP/1.1 100 Continue\r\n\r\n" + answer("200 OK", BODY),
    "/garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "/nothing": b"",
    "/half-head": b"HTTP/1.1 200 OK\r\nContent-",
    "/half-body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + BODY,
    "/gzip": answer("200 OK", gzip.compress(BODY), [("Content-Encoding", "gzip")]),
    "/half-gzip": answer("200 OK", gzip.compress(BODY)[:-6], [("Content-Encoding", "gzip")]),
    "/deflate": answer("200 OK", zlib.compress(BODY, wbits=-15), [("Content-Encoding", "deflate")]),
    "/zlib": answer("200 OK", zlib.compress(BODY), [("Content-Encoding", "deflate")]),
    "/bomb": answer("200 OK", gzip.compress(bytes(32 << 20)), [("Content-Encoding", "gzip")]),
    "/json": answer("200 OK", b'{"status": "ok", "count": 3}', [("Content-Type", "application/json")]),
    "/loop": answer("302 Found", headers=[("Location", "/loop")]),
    "/ftp": answer("302 Found", headers=[("Location", "ftp://127.0.0.1/")]),
    "/denied": answer("302 Found", headers=[("Location", "http://127.0.0.2:1/")]),
    "/nowhere": answer("302 Found"),
    "/sign-in": answer("302 Found", headers=[("Location", "/signed-in"), ("Set-Cookie", "session=1; Path=/")]),
}


def reply(method, path, head, body, elsewhere, connection):
    """The answer to a request; slow ones are begun here."""
    lower = head.lower()
    if path in PLAIN:
        return PLAIN[path].split(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else PLAIN[path]
    if path.startswith("/status/"):
        return answer(f"{path[8:]} Any", BODY)
    if path.startswith("/redirect/"):
        left, status = int(path.split("/")[2]), (path.split("/") + ["302"])[3]
        end = "/" if status == "302" else "/echo"
        return answer(f"{status} On", headers=[("Location", f"/redirect/{left - 1}/{status}" if left > 1 else end)])
    if path == "/elsewhere":
        return answer("302 Found", headers=[("Location", elsewhere)])
    if path == "/signed-in":
        return answer("200 OK" if "session=1" in lower else "403 Forbidden", BODY)
    if path == "/private":
        return answer("200 OK" if "authorization: basic bmluzxm6d29yza==" in lower else "401 Unauthorized", BODY)
    if path == "/echo":
        return answer("200 OK", (head + "\n" + body.decode()).encode())
    if path == "/hang":
        time.sleep(HANG_S)
    if path == "/hang-in-body":
        connection.sendall(PLAIN["/half-body"])
        time.sleep(HANG_S)
    return answer("404 Not Found", b"no such page")


def hang(connection):
    """Never says a word."""
    time.sleep(HANG_S)


def full_queue():
    """A port whose queue is full: connections to it are not answered. Gives what must be kept."""
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen(0)
    waiting = []
    for _ in range(2):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        waiting.append(one)
    return f"{HOST}:{listener.getsockname()[1]}", [listener, *waiting]


def closed_port():
    """A port on which nobody listens."""
    with socket.create_server((HOST, 0)) as listener:
        return f"{HOST}:{listener.getsockname()[1]}"
