"""Hundreds of targets in one thread: counters, histograms and series that come and go, restarts, resets, bad answers.

A page has a thousand series; those that SLOs may select are logged, the others are ballast that changes all the time. The log
holds one JSON object per line, written before the page's first byte is sent:

    {"kind": "layout", "id", "keys": [series key]}
    {"kind": "page", "url", "life", "at_ms", "start", "layout", "numbers": […], "truth": […]}
    {"kind": "end", …}                                the same, when the target is gone for good

`numbers` are the page's values in the layout's order, `truth` what each series has counted in all its lives. A life ends with
every reset, of one series or of all.
"""

import asyncio
import random
import socket
import threading
import time

from kit.target import series_key

ROUTES, METHODS, CODES = ("/", "/cart", "/pay"), ("GET", "POST"), ("200", "404", "500")
BOUNDS = ("0.05", "0.1", "0.3", "1", "+Inf")
QUEUES, RESULTS = ("mail", "bill", "ship", "scan"), ("done", "failed")
TENANTS = tuple(f"t{number:02}" for number in range(40))
SERIES = 1000
# Start times within five seconds are the same to a reader.
REST_S = 15.0


class Member:
    """One target: what it has counted, and how it shows it."""

    def __init__(self, fleet, age):
        self.fleet, self.url, self.address = fleet, None, None
        self.random = random.Random(fleet.random.random())
        now = time.time()
        self.start, self.life, self.restarts, self.resets = now - age, 0, 0, 0
        self._reset_at = now
        self._values, self._truth, self._absent = {}, {}, set()
        for labels in ({"route": route, "method": method, "code": code}
                       for route in ROUTES for method in METHODS for code in CODES):
            self._set(series_key("http_requests_total", labels), age)
        for result in RESULTS:
            for queue in QUEUES:
                self._set(series_key("jobs_processed_total", {"queue": queue, "result": result}), age)
        for tenant in TENANTS:
            key = series_key("tenant_requests_total", {"tenant": tenant, "code": self.random.choice(CODES)})
            away = self.random.random() < 0.5
            self._set(key, 0.0 if away else age)
            if away:
                self._absent.add(key)
        self._histograms = []
        for route in ROUTES[:2]:
            labels = {"route": route}
            buckets = [series_key("http_request_duration_seconds_bucket", dict(labels, le=bound)) for bound in BOUNDS]
            last = series_key("http_request_duration_seconds_count", labels)
            self._histograms.append([*buckets, last])
            for key in self._histograms[-1]:
                self._set(key, age, 100)
        self._single = [key for key in self._values if not key.startswith("http_request_duration")]

    def _set(self, key, age, most=1000):
        value = (self.random.randrange(200, 200 + most) if most == 1000 else most) if age else 0
        self._values[key], self._truth[key] = value, value

    def _add(self, key, amount):
        self._values[key] += amount
        self._truth[key] += amount

    def happen(self):
        """Events since the last page, and now and then a reset, a restart, a series that comes or goes."""
        draw = self.random
        for key in self._single:
            if key not in self._absent:
                self._add(key, draw.getrandbits(4))
        for keys in self._histograms:
            below = 0
            for key in keys[:-1]:
                below += draw.getrandbits(3)
                self._add(key, below)
            self._add(keys[-1], below)
        if draw.random() < 0.1:
            self._absent ^= {draw.choice([key for key in self._values if key.startswith("tenant")])}
        now = time.time()
        if now - self._reset_at > REST_S and draw.random() < self.fleet.reset_share:
            self._reset_at = now
            self.life += 1
            if draw.random() < 0.5:
                self.restarts += 1
                self.start = now
                self._values = dict.fromkeys(self._values, 0)
            else:
                # A counter that begins anew though its process does not. So small that nobody takes it for jitter.
                self.resets += 1
                self._values[draw.choice(self._single)] = 0

    def record(self, kind, at):
        """The log's line, and the keys and values that it has."""
        keys = tuple(key for key in self._values if kind == "end" or key not in self._absent)
        numbers = [self._values[key] for key in keys]
        return keys, numbers, {"kind": kind, "url": self.url, "life": self.life, "at_ms": int(at * 1000),
                               "start": self.start, "layout": self.fleet.layout(keys), "numbers": numbers,
                               "truth": [self._truth[key] for key in keys]}

    def page(self):
        self.happen()
        keys, numbers, entry = self.record("page", time.time())
        self.fleet.log.write(entry)
        lines = [f"{key} {number}" for key, number in zip(keys, numbers)]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self.start!r}"]
        return ("\n".join(lines) + "\n" + self.fleet.ballast()).encode()


class Fleet:
    """The targets of a run, each on a port of its own; `faults` is the share of requests that are answered badly."""

    def __init__(self, log, seed, faults=0.03, reset_share=0.01):
        self.log, self.random = log, random.Random(seed)
        self.faults, self.reset_share = faults, reset_share
        self.served, self.bad = 0, dict.fromkeys(("hang", "status", "cut"), 0)
        self._layouts, self._ballast, self._servers, self._kept = {}, (0.0, ""), {}, []
        self._chance = random.Random(seed + 1)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def launch(self, age):
        """A new target that listens."""
        member = Member(self, age)
        self._do(self._listen(member))
        return member

    def retire(self, member):
        """It is gone for good: it refuses connections, and what it counted last is logged."""
        self.refuse(member)
        member.happen()
        self.log.write(member.record("end", time.time())[2])

    def refuse(self, member):
        """Refuses connections from now on."""
        self._do(self._close(member))

    def layout(self, keys):
        if keys not in self._layouts:
            self._layouts[keys] = len(self._layouts)
            self.log.write({"kind": "layout", "id": self._layouts[keys], "keys": keys})
        return self._layouts[keys]

    def ballast(self):
        """Series that nobody selects; new values every second."""
        made, text = self._ballast
        if time.monotonic() - made > 1.0:
            draw = self._chance.randrange
            lines = [f'runtime_pool_usage{{pool="{number % 47}",arena="{number // 47}"}} {draw(1 << 20)}'
                     for number in range(SERIES - 80)]
            self._ballast = time.monotonic(), "# TYPE runtime_pool_usage gauge\n" + "\n".join(lines) + "\n"
        return self._ballast[1]

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self, member):
        server = await asyncio.start_server(lambda reader, writer: self._answer(member, reader, writer), "127.0.0.1", 0,
                                            backlog=16)
        self._servers[member] = server
        member.address = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        member.url = f"http://{member.address}/metrics"

    async def _close(self, member):
        server = self._servers.pop(member)
        address = server.sockets[0].getsockname()
        server.close()
        # Nobody else may answer here: to nines that would be this target. What is bound and does not listen refuses.
        keeper = socket.socket()
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(address)
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        self._kept.append(keeper)

    async def _answer(self, member, reader, writer):
        try:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            if member in self._servers:
                await self._say(member, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            """Whoever asked was killed, or has lost patience."""
        finally:
            writer.close()

    async def _say(self, member, reader, writer):
        wrong = self._chance.choice(tuple(self.bad)) if self._chance.random() < self.faults else None
        if wrong == "hang":
            self.bad[wrong] += 1
            await asyncio.wait_for(reader.read(1), 5)
            return
        if wrong == "status":
            self.bad[wrong] += 1
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.served += 1
        body = member.page()
        head = ("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")
        if wrong == "cut":
            # Only the log knows the whole of it; whoever counts the half of it has seen a page that there is not.
            self.bad[wrong] += 1
            body = body[:self._chance.randrange(len(body))]
        writer.write(head.encode() + body)
        await asyncio.wait_for(writer.drain(), 5)
