#!/usr/bin/env python3
"""The table of exposition cases before a real Prometheus: does it make of every page what the table says?

    exposition_conformance.py --table FILE [--prometheus /usr/bin/prometheus] [--keep]

The table is written by a test: NINES_CONFORMANCE_TABLE=FILE cargo test --lib the_table_is_written. A server on loopback
gives each page under a path of its own, and one Prometheus scrapes all of them, without their timestamps. Then `up` and
the samples of each target are compared with the table. Ends with `N off`, and exits 0 only when N is 0.
"""

import argparse
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# What Prometheus and the config below add to each target.
ADDED_METRICS = {"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added",
                 "scrape_samples_post_metric_relabeling"}
ADDED_LABELS = {"__name__", "job", "instance", "case"}
PATIENCE_SECONDS = 60


class Quiet(ThreadingHTTPServer):
    """Says nothing of the connections that Prometheus closes when it ends."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def serve(cases):
    """A server of all pages; `/N` is the page of case N."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            case = cases[int(self.path[1:])]
            page = bytes(case["page"])
            self.send_response(200)
            self.send_header("Content-Type", OPEN_METRICS if case["open_metrics"] else TEXT)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def config(cases, port):
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": f"/{number}", "case": str(number)}}
               for number in range(len(cases))]
    job = {"job_name": "table", "honor_timestamps": False, "static_configs": targets}
    # JSON is YAML too.
    return json.dumps({"global": {"scrape_interval": "3s", "scrape_timeout": "3s"}, "scrape_configs": [job]})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as answer:
        return json.load(answer)["data"]


def scraped(port, count):
    """By case, the error of its last scrape, once all were scraped; "" for none."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            targets = ask(port, "targets?state=active")["activeTargets"]
        except OSError:
            targets = []
        if len(targets) == count and all(target["health"] != "unknown" for target in targets):
            return {int(target["labels"]["case"]): target["lastError"] for target in targets}
        time.sleep(0.5)
    raise SystemExit(f"not all of {count} targets were scraped within {PATIENCE_SECONDS} s")


def samples(port):
    """By case, `{series: value}`, and `up` under its own name."""
    query = urllib.parse.quote('{case!=""}')
    seen = {}
    for sample in ask(port, f"query?query={query}")["result"]:
        labels = sample["metric"]
        metric = labels["__name__"]
        if metric in ADDED_METRICS and metric != "up":
            continue
        own = [(name, labels[name]) for name in sorted(labels) if name not in ADDED_LABELS]
        written = ",".join(f'{name}="{escaped(value)}"' for name, value in own)
        series = metric + (f"{{{written}}}" if written else "")
        seen.setdefault(int(labels["case"]), {})[series] = float(sample["value"][1])
    return seen


def escaped(value):
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def expected(case):
    """The table's samples; None where it says that the page is refused."""
    if case["prometheus"] is None:
        return None
    pairs = [sample.rsplit(" ", 1) for sample in case["prometheus"]]
    return {series: float(value) for series, value in pairs}


def same(one, other):
    if one is None or other is None:
        return one is other
    # The query API writes -0 as 0 or -0: both are zero here.
    return one.keys() == other.keys() and all(
        one[series] == other[series] or (math.isnan(one[series]) and math.isnan(other[series])) for series in one)


def compare(cases, errors, seen):
    """Prints what is off, and the counts; gives back how many are off."""
    off, groups = 0, {}
    for number, case in enumerate(cases):
        real = dict(seen.get(number, {}))
        up = real.pop("up", 0.0)
        real = real if up == 1.0 else None
        counts = groups.setdefault(case["group"], [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += real is not None
        counts[3] += case["why"] is not None
        if same(real, expected(case)):
            counts[2] += 1
            continue
        off += 1
        print(f'{case["group"]}: {case["says"]}\n  {bytes(case["page"])!r}\n  the table says {expected(case)}'
              f'\n  Prometheus has {real} {errors.get(number, "")}')
    print(f'{"group":<12}{"pages":>7}{"taken":>7}{"as said":>9}{"nines differs":>15}')
    for group, counts in groups.items():
        print(f"{group:<12}{counts[0]:>7}{counts[1]:>7}{counts[2]:>9}{counts[3]:>15}")
    total = [sum(column) for column in zip(*groups.values())]
    print(f'{"all":<12}{total[0]:>7}{total[1]:>7}{total[2]:>9}{total[3]:>15}')
    return off


def run(options, folder):
    cases = json.loads(Path(options.table).read_text(encoding="utf-8"))
    server = serve(cases)
    (folder / "prometheus.yml").write_text(config(cases, server.server_port), encoding="utf-8")
    port = free_port()
    command = [options.prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}"]
    with open(folder / "log", "wb") as log:
        prometheus = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        errors = scraped(port, len(cases))
        return compare(cases, errors, samples(port))
    finally:
        prometheus.terminate()
        try:
            prometheus.wait(timeout=20)
        except subprocess.TimeoutExpired:
            prometheus.kill()
            prometheus.wait()
        server.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--prometheus", default="/usr/bin/prometheus")
    parser.add_argument("--keep", action="store_true", help="keep the folder with Prometheus's data and log")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="exposition-"))
    try:
        off = run(options, folder)
    finally:
        if options.keep:
            print(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{off} off")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
