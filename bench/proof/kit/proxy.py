"""A proxy between nines and Postgres that can break a connection around a COMMIT."""

import contextlib
import re
import socket
import struct
import threading

SSL_REQUEST, CANCEL_REQUEST = 80877103, 80877102
MOVES_CURSOR = re.compile(r"\b(insert\s+into|update)\s+cursors?\b", re.I)

# How a connection ends at a COMMIT: the server has answered and nobody hears it; the COMMIT is under way and both ends
# are cut; the COMMIT never arrives.
ANSWERED, UNDER_WAY, WITHHELD = "committed, answer lost", "cut under way", "never arrived"


class Messages:
    """Splits what a client sends into messages of Postgres's protocol; `feed` gives whole ones back."""

    def __init__(self):
        self._bytes, self._started = b"", False

    def feed(self, data):
        self._bytes += data
        while True:
            message = self._next()
            if message is None:
                return
            yield message

    def _next(self):
        """(type, body, all bytes); the messages before the session have the type `` (empty)."""
        head = 1 if self._started else 0
        if len(self._bytes) < head + 4:
            return None
        size = head + struct.unpack("!I", self._bytes[head:head + 4])[0]
        if len(self._bytes) < size:
            return None
        whole, self._bytes = self._bytes[:size], self._bytes[size:]
        if not self._started:
            code = struct.unpack("!I", whole[4:8])[0]
            self._started = code not in (SSL_REQUEST, CANCEL_REQUEST)
        return whole[:head].decode("latin1"), whole[head + 4:], whole


class Session:
    """What one client is in the middle of: its prepared statements, and whether this transaction moves a cursor."""

    def __init__(self):
        self._statements, self.moves_cursor = {}, False

    def see(self, kind, body):
        """Notes one message of the client; true when it is a COMMIT."""
        words = body.split(b"\0")
        if kind == "Q":
            text = words[0].decode("utf-8", "replace").strip().rstrip(";").strip()
            if text.upper().startswith(("BEGIN", "START TRANSACTION")):
                self.moves_cursor = False
            self.moves_cursor = self.moves_cursor or bool(MOVES_CURSOR.search(text))
            return text.upper() == "COMMIT"
        if kind == "P":
            self._statements[words[0]] = words[1].decode("utf-8", "replace")
        if kind == "B":
            text = self._statements.get(words[1], "")
            self.moves_cursor = self.moves_cursor or bool(MOVES_CURSOR.search(text))
            return text.strip().rstrip(";").upper() == "COMMIT"
        return False


class Hearing:
    """Whether the client still hears the server, and whether the server has said something that it did not."""

    def __init__(self):
        self.lost, self.answered = threading.Event(), threading.Event()


class Proxy:
    """Listens on a loopback port; `decide(moves_cursor)` is asked at each COMMIT and gives a way to end, or nothing."""

    def __init__(self, upstream_port, decide):
        self._upstream, self._decide = upstream_port, decide
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), 5)
        except OSError:
            client.close()
            return
        hearing = Hearing()
        threading.Thread(target=_copy, args=(server, client, hearing), daemon=True).start()
        messages, session = Messages(), Session()
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                for kind, body, whole in messages.feed(data):
                    way = self._decide(session.moves_cursor) if session.see(kind, body) else None
                    if way:
                        _end(way, whole, server, hearing)
                        raise ConnectionAbortedError
                    server.sendall(whole)
        _close(client)
        _close(server)


def _end(way, commit, server, hearing):
    """Ends a connection at its COMMIT in one of the three ways; the caller closes both sockets."""
    hearing.lost.set()
    if way == WITHHELD:
        return
    server.sendall(commit)
    if way == ANSWERED:
        hearing.answered.wait(5)


def _copy(server, client, hearing):
    """Answers to the client, until they are to be lost."""
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            if hearing.lost.is_set():
                hearing.answered.set()
            else:
                client.sendall(data)
    hearing.answered.set()
    _close(client)


def _close(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
