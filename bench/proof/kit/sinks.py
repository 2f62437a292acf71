"""Receivers that keep what they are told: a webhook and a mail server."""

import email
import email.policy
import json
import re
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """Keeps (time, id, status, alert names) of every POST."""

    def __init__(self):
        self.messages = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                names = sorted({alert["labels"]["alertname"] for alert in body["alerts"]})
                sink.messages.append((time.time(), self.headers["webhook-id"], body["status"], names))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """The list is log enough."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def said(self, status):
        """The ids of the messages with that status, about burning budgets."""
        return [id for _, id, said, names in self.messages if said == status and "SLONoData" not in names]


class Mail:
    """Keeps (time, Message-ID, subject) of every mail; speaks as much SMTP as a client without TLS needs."""

    def __init__(self):
        self.messages = []
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def handle(self):
                self.say("220 sink ESMTP")
                while line := self.rfile.readline():
                    verb = line.decode("latin1").strip().upper()
                    if verb.startswith("EHLO"):
                        self.say("250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8")
                    elif verb == "DATA":
                        self.say("354 go on")
                        sink.keep(self.read_mail())
                        self.say("250 kept")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def read_mail(self):
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(re.sub(rb"^\.\.", b".", line))
                return b"".join(lines)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def keep(self, text):
        mail = email.message_from_bytes(text, policy=email.policy.default)
        self.messages.append((time.time(), mail["Message-ID"], str(mail["Subject"])))

    def said(self, status):
        """The ids of the mails whose subject says so: `firing` or `resolved`."""
        return [id for _, id, subject in self.messages if subject.startswith(f"[{status.upper()}]")
                and "SLONoData" not in subject]
