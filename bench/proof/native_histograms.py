#!/usr/bin/env python3
"""Native histograms end to end: a target that speaks protobuf, a real Prometheus beside nines, and the truth.

    native_histograms.py --nines PATH [--prometheus /usr/bin/prometheus] [--seed N] [--keep]

A target observes random latencies in a native histogram (schema 3, a classic one beside it). It halves its resolution,
restarts from zero, answers in text for a while, and in protobuf again. nines counts what is at or below 250 ms, in two
jobs: one asks for protobuf, one for text; a third SLO says `histogram: native`. All must show exactly what the target
observed since the baseline; and Prometheus, which scrapes the same pages, must find the same number in its own buckets. The encoder of the pages shares
no code with nines. Ends with `N off`, and exits 0 only when N is 0.
"""

import argparse
import json
import math
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kit.daemon import Daemon, Failed, free_port, wait_for

PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
THRESHOLD = 0.25
CLASSIC = [0.1, THRESHOLD, 1.0]
SCHEMA = 3
NAMES = ("proto", "text", "native")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, kind, body):
    return varint(number << 3 | kind) + body


def whole(number, value):
    return field(number, 0, varint(value))


def signed(number, value):
    return whole(number, value * 2 if value >= 0 else -value * 2 - 1)


def double(number, value):
    return field(number, 1, struct.pack("<d", value))


def message(number, body):
    return field(number, 2, varint(len(body)) + body)


class Target:
    """A histogram of both kinds, and the server that shows it."""

    def __init__(self, rng):
        self.lock, self.rng, self.speaks_protobuf = threading.Lock(), rng, True
        self.total = self.good = 0
        self.reset()
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked = "protobuf" in self.headers.get("Accept", "").split(",")[0]
                form, body = target.page(asked)
                self.send_response(200)
                self.send_header("Content-Type", form)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.created = time.time()
        self.schema, self.buckets, self.sum, self.count = SCHEMA, {}, 0.0, 0
        self.classic = [0] * len(CLASSIC)

    def observe(self, number):
        """So many latencies, most of them not on a bound, some exactly on the threshold."""
        with self.lock:
            for _ in range(number):
                value = THRESHOLD if self.rng.random() < 0.05 else self.rng.lognormvariate(-1.5, 1.2)
                index = math.ceil(math.log2(value) * 2 ** self.schema)
                self.buckets[index] = self.buckets.get(index, 0) + 1
                self.sum, self.count = self.sum + value, self.count + 1
                for place, bound in enumerate(CLASSIC):
                    self.classic[place] += value <= bound
                self.total, self.good = self.total + 1, self.good + (value <= THRESHOLD)

    def halve(self):
        with self.lock:
            halved = {}
            for index, count in self.buckets.items():
                halved[-(-index // 2)] = halved.get(-(-index // 2), 0) + count
            self.schema, self.buckets = self.schema - 1, halved

    def restart(self):
        with self.lock:
            self.reset()

    def page(self, asked):
        with self.lock:
            if asked and self.speaks_protobuf:
                return PROTOBUF, self.protobuf()
            lines = [f'latency_seconds_bucket{{path="/",le="{bound:g}"}} {count}'
                     for bound, count in zip([*CLASSIC, math.inf], [*self.classic, self.count])]
            lines = [line.replace('le="inf"', 'le="+Inf"') for line in lines]
            lines += [f'latency_seconds_sum{{path="/"}} {self.sum!r}', f'latency_seconds_count{{path="/"}} {self.count}']
            return TEXT, ("# TYPE latency_seconds histogram\n" + "\n".join(lines) + "\n").encode()

    def protobuf(self):
        histogram = whole(1, self.count) + double(2, self.sum) + signed(5, self.schema) + double(6, 2.0 ** -128)
        next_index, last = 0, 0
        for index in sorted(self.buckets):
            histogram += message(12, signed(1, index - next_index) + whole(2, 1))
            next_index = index + 1
        if not self.buckets:
            histogram += message(12, b"")
        for index in sorted(self.buckets):
            histogram += signed(13, self.buckets[index] - last)
            last = self.buckets[index]
        seconds = int(self.created)
        histogram += message(15, whole(1, seconds) + whole(2, int((self.created - seconds) * 1e9)))
        metric = message(1, message(1, b"path") + message(2, b"/")) + message(7, histogram)
        family = message(1, b"latency_seconds") + whole(3, 4) + message(4, metric)
        return varint(len(family)) + family


class Prometheus:
    """Scrapes the target's protobuf and keeps native histograms."""

    def __init__(self, binary, folder, address):
        self.port = free_port()
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                  "scrape_configs": [{"job_name": "target", "static_configs": [{"targets": [address]}]}]}
        path = Path(folder) / "prometheus.yml"
        path.write_text(json.dumps(config), encoding="utf-8")
        log = open(Path(folder) / "prometheus.log", "wb")
        self.process = subprocess.Popen(
            [binary, f"--config.file={path}", f"--storage.tsdb.path={folder}/tsdb", "--enable-feature=native-histograms",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def histogram(self):
        query = urllib.parse.urlencode({"query": "latency_seconds"})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=5) as answer:
                results = json.load(answer)["data"]["result"]
        except OSError:
            return None
        return results[0].get("histogram", [None, None])[1] if results else None

    def counted(self):
        """All observations, and those in buckets up to the threshold, of the last scrape."""
        found = self.histogram()
        if not found:
            return None
        below = sum(float(bucket[3]) for bucket in found.get("buckets", []) if float(bucket[2]) <= THRESHOLD * (1 + 1e-9))
        return float(found["count"]), below

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def job(name, address, protocols):
    return {"job_name": name, "scrape_protocols": protocols, "static_configs": [{"targets": [address]}]}


def slo(name, job, more):
    return {"name": name, "objective": 90, "window": "1d", "alerting": False,
            "indicator": {"latency": f'latency_seconds{{job="{job}"}}', "threshold": "250ms", **more}}


def run(options, folder):
    rows, target = [], Target(random.Random(options.seed))
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "2s"},
              "scrape_configs": [job("proto", target.address, ["PrometheusProto", "PrometheusText0.0.4"]),
                                 job("text", target.address, ["PrometheusText0.0.4"])]}
    slos = {"version": "nines/v1", "service": "proof", "slos": [
        slo("proto", "proto", {}), slo("text", "text", {}), slo("native", "proto", {"histogram": "native"})]}
    target.observe(500)
    daemon = Daemon(options.nines, folder, f"sqlite:{folder}/nines.db", config, slos)
    prometheus = Prometheus(options.prometheus, folder, target.address)
    try:
        daemon.start()
        for name in NAMES:
            wait_for(f"a baseline of {name}", lambda name=name: daemon.has_baseline(f"proof/{name}"), 30)
        target.total = target.good = 0
        steps = [("observations", None), ("resolution halved", target.halve), ("halved again", target.halve),
                 ("a restart from zero", target.restart), ("text only", lambda: setattr(target, "speaks_protobuf", False)),
                 ("protobuf again", lambda: setattr(target, "speaks_protobuf", True))]
        for what, step in steps:
            if step:
                step()
            target.observe(options.observations)
            expected = (target.total, target.good)
            for name in NAMES:
                def counted(name=name):
                    pair = daemon.counted()[0].get(f"proof/{name}", (None, None))
                    return pair == expected
                try:
                    wait_for("the counts", counted, 15)
                except Failed:
                    pass
                time.sleep(2)
                found = daemon.counted()[0].get(f"proof/{name}")
                rows.append((what, f"nines, {name}", expected, tuple(map(float, found))))
            if target.speaks_protobuf:
                truth = (target.count, target.classic[1])
                try:
                    wait_for("Prometheus", lambda: prometheus.counted() == truth, 15)
                except Failed:
                    pass
                rows.append((what, "Prometheus's buckets", truth, prometheus.counted()))
    finally:
        daemon.stop()
        prometheus.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nines", required=True)
    parser.add_argument("--prometheus", default="/usr/bin/prometheus")
    parser.add_argument("--observations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="nines-native-")
    try:
        rows = run(options, folder)
    except Failed as why:
        print(f"{why}\n{folder}")
        return 2
    off = 0
    for what, who, expected, found in rows:
        same = found is not None and tuple(found) == tuple(map(float, expected))
        off += not same
        print(f"{what:22} {who:22} expected {expected}  found {found}  {'' if same else 'OFF'}")
    print(f"seed {options.seed}\n{off} off")
    if options.keep or off:
        print(folder)
    else:
        shutil.rmtree(folder)
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
