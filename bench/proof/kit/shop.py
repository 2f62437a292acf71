"""A service whose counts are known at every moment: steady rates and bursts, and it can be away for a while."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRIC = "http_requests_total"


class Shop:
    """One scraped endpoint. It began long ago, so that its first page is a baseline."""

    def __init__(self, on_page=None):
        self._lock = threading.Lock()
        self._counts = {"200": 0, "500": 0}
        self._rates = {"200": 0.0, "500": 0.0}
        self._rates_since = self.began = time.time()
        self._start = self.began - 86_400
        self._on_page = on_page
        self.first_page_at = None
        # It never listens: it only keeps the port from others while the shop is away.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._place.getsockname()[1]
        self._server = None
        self.come_back()

    def come_back(self):
        """Answers, on the port that it had."""
        self._server = _Server(self._place.getsockname(), self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def go_away(self):
        """Refuses connections; it lives on unseen."""
        self._server.shutdown()
        self._server.server_close()

    def close(self):
        self.go_away()
        self._place.close()

    def burst(self, good=0, bad=0):
        """So many events at once."""
        with self._lock:
            self._counts["200"] += good
            self._counts["500"] += bad

    def steady(self, good, bad):
        """So many events per second from now on; the moment from which it is true."""
        with self._lock:
            self._settle(time.time())
            self._rates = {"200": good, "500": bad}
            return self._rates_since

    def page(self):
        with self._lock:
            now = time.time()
            self._settle(now)
            counts = {code: int(count) for code, count in self._counts.items()}
        self.first_page_at = self.first_page_at or now
        if self._on_page:
            self._on_page(counts)
        lines = [f"# TYPE {METRIC} counter"]
        lines += [f'{METRIC}{{code="{code}"}} {count}' for code, count in counts.items()]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self._start!r}"]
        return "\n".join(lines) + "\n"

    def _settle(self, now):
        for code, rate in self._rates.items():
            self._counts[code] += rate * (now - self._rates_since)
        self._rates_since = now


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, shop):
        self.shop = shop
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self):  # noqa: N802  (the name that http.server calls)
        body = self.server.shop.page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Whoever asked may have been killed meanwhile.
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_):
        """Nobody reads it."""
