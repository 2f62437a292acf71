"""The proxy: it finds COMMITs however the bytes are cut, and ends a connection in the way that is asked for."""

import socket
import struct
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kit.proxy import ANSWERED, SSL_REQUEST, WITHHELD, Messages, Proxy, Session  # noqa: E402

START = struct.pack("!II", 8, 196608)


def message(kind, body):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def query(text):
    return message("Q", text.encode() + b"\0")


UPDATE = message("P", b"s1\0update cursors set seq = seq + 1 where target = $1\0\0\0")
BIND = message("B", b"\0s1\0\0\0\0\0\0\0")


class Protocol(unittest.TestCase):
    def seen(self, data, step):
        messages, session, commits = Messages(), Session(), []
        for at in range(0, len(data), step):
            for kind, body, _ in messages.feed(data[at:at + step]):
                if session.see(kind, body):
                    commits.append(session.moves_cursor)
        return commits

    def test_commits_are_found_whatever_the_packets(self):
        data = struct.pack("!II", 8, SSL_REQUEST) + START + query("BEGIN") + UPDATE + BIND + query("COMMIT")
        data += query("BEGIN") + query("select 'COMMIT'") + query("commit;")
        data += query("BEGIN") + BIND + query("COMMIT")
        for step in (1, 7, 4096):
            self.assertEqual(self.seen(data, step), [True, False, True], step)


class FakeServer:
    """Answers every query with `ok`, and keeps what it was asked."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.asked = self._listener.getsockname()[1], []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        connection, _ = self._listener.accept()
        messages = Messages()
        while data := connection.recv(4096):
            for kind, body, _ in messages.feed(data):
                self.asked.append((kind, body))
                connection.sendall(b"ok")


class Cuts(unittest.TestCase):
    def cut(self, way):
        server = FakeServer()
        proxy = Proxy(server.port, lambda moves_cursor: way)
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
            client.sendall(START)
            self.assertEqual(client.recv(2), b"ok")
            client.sendall(query("COMMIT"))
            heard = client.recv(2)
        proxy.close()
        return heard, ("Q", b"COMMIT\0") in server.asked

    def test_the_answer_is_lost_or_the_commit_is(self):
        self.assertEqual(self.cut(ANSWERED), (b"", True))
        self.assertEqual(self.cut(WITHHELD), (b"", False))
        self.assertEqual(self.cut(None), (b"ok", True))


if __name__ == "__main__":
    unittest.main()
