"""A service that never pauses: it counts events in memory, serves them as a page, and logs every page that it serves.

The log holds one JSON object per line:

    {"kind": "page", "url", "life", "at_ms", "start", "values": {series key: value}}
    {"kind": "end",  "url", "life", "at_ms", "values": {…}}      the last values of a life: a restart or a stop

A page is logged before its first byte is sent, so no page that anybody has read is missing from the log.
"""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRIC = "http_requests_total"


class PageLog:
    """The one file into which all targets of a run write."""

    def __init__(self, path):
        self.path = path
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8")

    def write(self, entry):
        with self._lock:
            self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self):
        self._file.close()


def series_key(name, labels):
    """`name{a="b"}`, sorted by label name, as nines writes it."""
    if not labels:
        return name
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"


class Target:
    """One scraped endpoint. `age` is how long ago, in seconds, it claims to have started; `None` hides the start."""

    def __init__(self, log, age=3600.0, port=0):
        self._log = log
        self._lock = threading.Lock()
        self._values = {}
        self._life = 0
        self._start = None if age is None else time.time() - age
        self._restarted_at = 0.0
        self.restarts = 0
        self._server = _Server(("127.0.0.1", port), self)
        self.address = "127.0.0.1:%d" % self._server.server_port
        self.url = f"http://{self.address}/metrics"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, labels, amount, name=METRIC):
        """Events happen; a series appears with its first ones."""
        key = series_key(name, labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def restart(self):
        """The process begins anew. At most every eight seconds: start times within five are the same to a reader."""
        with self._lock:
            now = time.time()
            if now - self._restarted_at < 8.0:
                return False
            self._end(now)
            # One old series is there at once, so that the first page shows the fall.
            self._values = {key: 0 for key in list(self._values)[:1]}
            self._life += 1
            self._restarted_at = now
            self.restarts += 1
            if self._start is not None:
                self._start = now
            return True

    def stop(self):
        """It is gone for good: it refuses connections, and what it counted last is logged."""
        self.refuse()
        with self._lock:
            self._end(time.time())

    def refuse(self):
        """Refuses connections from now on; its life goes on unseen."""
        self._server.shutdown()
        self._server.server_close()

    def page(self):
        """The page's text; it is in the log when this returns."""
        with self._lock:
            values, start, at = dict(self._values), self._start, time.time()
            self._log.write({"kind": "page", "url": self.url, "life": self._life, "at_ms": int(at * 1000),
                             "start": start, "values": values})
        lines = [f"# TYPE {METRIC} counter"] + [f"{key} {value}" for key, value in values.items()]
        if start is not None:
            lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {start!r}"]
        return "\n".join(lines) + "\n"

    def _end(self, now):
        self._log.write({"kind": "end", "url": self.url, "life": self._life, "at_ms": int(now * 1000),
                         "values": dict(self._values)})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, target):
        self.target = target
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):  # noqa: N802  (the name that http.server calls)
        body = self.server.target.page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The page log is log enough."""


class Traffic:
    """Random events on targets until it is stopped; late series appear as it goes on."""

    def __init__(self, targets, seed, per_second=150, late_every=6.0, error_ratio=0.02):
        self.targets = list(targets)
        self.error_ratio = error_ratio
        self.late_series = 0
        self._random = random.Random(seed)
        self._per_second, self._late_every = per_second, late_every
        self._routes = ["/", "/cart"]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join(10)

    def _run(self):
        step, next_late = 0.02, time.monotonic() + self._late_every
        while not self._stop.wait(step):
            for target in list(self.targets):
                amount = self._random.randint(0, round(2 * self._per_second * step))
                code = "500" if self._random.random() < self.error_ratio else "200"
                target.add({"code": code, "route": self._random.choice(self._routes)}, amount)
            if time.monotonic() >= next_late and len(self._routes) < 20:
                self._routes.append(f"/late/{self.late_series}")
                self.late_series += 1
                next_late = time.monotonic() + self._late_every
