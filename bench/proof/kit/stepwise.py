"""Receivers that say how far each conversation has come, and keep every message that they read to its end.

A message counts as arrived once all of it was read, whether or not the sender lives to hear the answer: that is what a
person sees.
"""

import email
import email.policy
import json
import re
import socketserver
import threading
import time
from collections import namedtuple

Arrival = namedtuple("Arrival", "at id says alertnames slo headers body")

WEBHOOK_STEPS = ("webhook connected", "webhook headers read", "webhook body read", "webhook answered")
MAIL_STEPS = ("mail connected", "mail MAIL", "mail RCPT", "mail DATA before 250", "mail after 250")


class _Sink:
    def __init__(self, handler, on_step=None):
        self.arrivals = []
        self.on_step = on_step or (lambda _step: None)
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.sink = self
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def said(self, says, slo=None, alertname="SLOBurn"):
        """What arrived with that status, in its order."""
        return [one for one in list(self.arrivals)
                if one.says == says and alertname in one.alertnames and slo in (None, one.slo)]


class Webhook(_Sink):
    def __init__(self, on_step=None):
        super().__init__(_HttpHandler, on_step)
        self.url = f"http://{self.address}/hook"


class Mail(_Sink):
    def __init__(self, on_step=None):
        super().__init__(_SmtpHandler, on_step)


class _Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self):
        try:
            self.converse(self.server.sink)
        except (OSError, ValueError):
            """The sender is gone in the middle of it, which is the purpose of the exercise."""


class _HttpHandler(_Handler):
    def converse(self, sink):
        sink.on_step("webhook connected")
        if not self.rfile.readline().startswith(b"POST "):
            return
        headers = {}
        while (line := self.rfile.readline().decode("latin1").strip()):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        sink.on_step("webhook headers read")
        body = self.rfile.read(int(headers["content-length"]))
        if len(body) < int(headers["content-length"]):
            return
        said = json.loads(body)
        labels = [alert["labels"] for alert in said["alerts"]]
        sink.arrivals.append(Arrival(time.time(), headers["webhook-id"], said["status"],
                                     {one["alertname"] for one in labels}, labels[0]["slo"], headers, body))
        sink.on_step("webhook body read")
        # A connection for each message, so that every step comes again with the next one.
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        sink.on_step("webhook answered")


class _SmtpHandler(_Handler):
    def converse(self, sink):
        sink.on_step("mail connected")
        self.say("220 sink ESMTP")
        while line := self.rfile.readline():
            verb = line.decode("latin1").strip().upper()
            if verb.startswith("EHLO"):
                self.say("250-sink\r\n250 8BITMIME")
            elif verb.startswith(("MAIL", "RCPT")):
                sink.on_step(f"mail {verb[:4]}")
                self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                self.keep(sink)
                sink.on_step("mail DATA before 250")
                self.say("250 kept")
                sink.on_step("mail after 250")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def keep(self, sink):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ValueError("half a mail")
            lines.append(re.sub(rb"^\.\.", b".", line))
        text = b"".join(lines)
        mail = email.message_from_bytes(text, policy=email.policy.default)
        says = {"[FIRING]": "firing", "[RESOLVED]": "resolved"}.get(str(mail["Subject"]).split()[0])
        body = mail.get_body(("plain",)).get_content()
        names = set(re.findall(r"SLONoData|SLOBurn", body))
        slo = str(mail["X-Nines-SLO"]).split("/")[-1]
        sink.arrivals.append(Arrival(time.time(), mail["Message-ID"], says, names, slo, dict(mail), text))
