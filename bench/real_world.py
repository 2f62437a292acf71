#!/usr/bin/env python3
"""Real targets: node_exporter and Prometheus, read by nines and by a second Prometheus; the difference explained.

    bench/real_world.py --nines target/release/nines [--minutes 30] [--scrape 15] [--storage sqlite|postgres] [--keep]

Needs Debian's prometheus and prometheus-node-exporter. Each target is restarted once and one new series appears. In the
end nines's lifetime counts stand beside `increase()`, and the difference is split, series by series, into:

  new series       increase() cannot see what a series had counted when it was first scraped; nines counts it
  at the start     the two did not scrape at the same moment: events between their first looks
  at resets        events between the two's last looks before a restart
  at the end       events between their last looks
  extrapolation    increase() stretches its result to the edges of its range
"""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "proof"))

from kit.daemon import Daemon, Failed, free_port, wait_for  # noqa: E402
from kit.proof import arguments, run, table  # noqa: E402
from kit.records import read_lines  # noqa: E402
from kit.selector import Slo  # noqa: E402
from kit.target import series_key  # noqa: E402
from oracle import Cursor  # noqa: E402

METRICS = {"node": "promhttp_metric_handler_requests_total", "prometheus": "prometheus_http_requests_total"}
CAUSES = ("new series", "at the start", "at resets", "at the end", "extrapolation")
ASKED = ("/-/healthy", "/api/v1/query?query=up", "/api/v1/query?query=up", "/api/v1/query?query=%7B", "/api/v1/rules")
ASKED_LATER = ("/api/v1/series",)  # without `match[]`: a 400 of a handler that nobody asked before
SLOS = {"version": "nines/v1", "service": "real", "slos": [
    {"name": job, "objective": 90, "window": "1d", "alerting": False,
     "indicator": {"total": f'{metric}{{job="{job}"}}', "bad": f'{metric}{{job="{job}",code=~"[45].."}}'}}
    for job, metric in METRICS.items()]}


class Service:
    """One of Debian's programs on a port of its own, restartable."""

    def __init__(self, folder, name, command):
        self.name, self.port = name, free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._command = [*command, f"--web.listen-address={self.address}"]
        self._log, self._process = os.path.join(folder, f"{name}.log"), None
        if not shutil.which(command[0]):
            raise Failed(f"{command[0]} is not installed: apt-get install prometheus prometheus-node-exporter")
        self.started_at = 0.0

    def start(self):
        self.started_at = time.time()
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(self.name, lambda: fetch(self.address, "/metrics") is not None, 60)

    def stop(self):
        if self._process:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def restart(self):
        self.stop()
        self.start()


def fetch(address, path):
    """The body, whatever the status; `None` when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()
    except OSError:
        return None


def prometheus(folder, name, document):
    path = os.path.join(folder, f"{name}.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return Service(folder, name, ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/{name}",
                                  "--log.level=warn"])


class Requests:
    """Requests at random until it is stopped."""

    def __init__(self, node, server, seed):
        self.paths, self._stop = list(ASKED), threading.Event()
        self._node, self._server, self._random = node, server, random.Random(seed)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(self._random.uniform(0.05, 0.4)):
            fetch(self._server.address, self._random.choice(self.paths))
            if self._random.random() < 0.2:
                fetch(self._node.address, "/metrics")

    def stop(self):
        self._stop.set()
        self._thread.join(30)


def proof(bench):
    options, folder, services = bench.options, bench.folder, []
    try:
        node = Service(folder, "node_exporter", ["prometheus-node-exporter"])
        server = prometheus(folder, "target", {"global": {"scrape_interval": "1m"}})
        jobs = [{"job_name": name, "static_configs": [{"targets": [service.address]}]}
                for name, service in (("node", node), ("prometheus", server))]
        pace = {"scrape_interval": f"{options.scrape}s", "scrape_timeout": f"{min(options.scrape, 10)}s"}
        observer = prometheus(folder, "observer", {"global": pace, "scrape_configs": jobs})
        services = [node, server, observer]
        for service in services:
            service.start()
        config = {"global": dict(pace, evaluation_interval=f"{options.scrape}s"), "scrape_configs": jobs}
        nines = Daemon(options.nines, folder, bench.storage_url, config, SLOS)
        bench.daemons.append(nines)
        requests = Requests(node, server, options.seed)
        nines.start()
        restarts = let_happen(options, node, server, requests)
        requests.stop()
        node.stop()
        server.stop()
        time.sleep(3 * options.scrape + 5)
        counted, discrepancy = nines.settled(6 * options.scrape)
        nines.stop()
        return judge(nines, observer, restarts, counted) + (discrepancy != 0)
    finally:
        for service in services:
            service.stop()


def let_happen(options, node, server, requests):
    """The minutes pass; after each quarter something happens. When each job was restarted."""
    quarter, restarts = options.minutes * 60 / 4, {}
    time.sleep(quarter)
    node.restart()
    restarts["node"] = node.started_at
    print("node_exporter restarted", flush=True)
    time.sleep(quarter)
    requests.paths.extend(ASKED_LATER)
    print("a new series begins", flush=True)
    time.sleep(quarter)
    server.restart()
    restarts["prometheus"] = server.started_at
    print("prometheus restarted", flush=True)
    time.sleep(quarter)
    return restarts


def judge(nines, observer, restarts, counted):
    """The table of causes per job; how many figures have none."""
    off, rows = 0, [("job", "nines", "increase()", "difference", *CAUSES, "unexplained")]
    for slo in SLOS["slos"]:
        job = slo["name"]
        ours, on_first_page, credited, first_ms = replay(nines, slo, job, restarts[job])
        seen = counted.get(f"real/{job}", (None, None))[0]
        if seen != credited:
            print(f"{job}: nines shows {seen}, its committed visits come to {credited}")
            off += 1
        theirs, increase = observed(observer, job, first_ms)
        causes = defaultdict(Fraction)
        for key in set(ours) | set(theirs):
            itemise(ours.get(key, [[]]), theirs.get(key, [[]]), key in on_first_page, causes)
        raw = sum((raised(lives) for key, lives in theirs.items()), Fraction(0))
        causes["extrapolation"] = raw - increase
        difference = credited - increase
        unexplained = difference - sum(causes.values())
        off += abs(unexplained) > Fraction(1, 1000)
        figures = [credited, increase, difference, *(causes[cause] for cause in CAUSES), unexplained]
        rows.append((job, *(f"{float(figure):.2f}".rstrip("0").rstrip(".") for figure in figures)))
    table(rows)
    return off


def replay(nines, slo, job, restarted_at):
    """Per series its lives as nines saw them, the series of its first visit, all credits, and when it began."""
    cursor, lives, credited = Cursor(Slo(dict(slo["indicator"], id=job))), {}, Fraction(0)
    on_first_page, first = set(), None
    entries = [entry for entry in read_lines(nines.visits) if entry["job"] == job]
    for visit in (visit for entry in sorted(entries, key=lambda entry: entry["seq"]) for visit in entry["visits"]):
        values = {key: Fraction(value) for key, value in visit["samples"].items() if key.startswith(METRICS[job])}
        start = restarted_at if visit["at_ms"] >= restarted_at * 1000 else 0
        credits, _ = cursor.visit(values, start, visit["at_ms"])
        credited += sum(credits.values())
        if first is None:
            first, on_first_page = visit["at_ms"], set(values)
        for key, value in values.items():
            known = lives.setdefault(key, [[]])
            reset = bool(known[-1]) and credits[key] != value - known[-1][-1]
            known.append([value]) if reset else known[-1].append(value)
    if first is None:
        raise Failed(f"nines has committed no visit of job {job}")
    return lives, on_first_page, credited, first


def observed(observer, job, first_ms):
    """Per series its lives as the observer saw them since then, and the sum of `increase()`."""
    now, metric = time.time(), METRICS[job]
    seconds = int(now - first_ms / 1000)
    selector = f'{metric}{{job="{job}"}}[{seconds}s]'
    lives = {}
    for found in query(observer, selector, now):
        labels = {name: value for name, value in found["metric"].items() if name not in ("__name__", "job", "instance")}
        known = lives.setdefault(series_key(metric, labels), [[]])
        for _, text in found["values"]:
            value = Fraction(text)
            known.append([value]) if known[-1] and value < known[-1][-1] else known[-1].append(value)
    increases = query(observer, f"increase({selector})", now)
    return lives, sum((Fraction(found["value"][1]) for found in increases), Fraction(0))


def query(observer, text, at):
    body = fetch(observer.address, "/api/v1/query?" + urllib.parse.urlencode({"query": text, "time": f"{at:.3f}"}))
    answer = json.loads(body or "{}")
    if answer.get("status") != "success":
        raise Failed(f"the observer does not answer {text}: {answer.get('error', 'no answer')}")
    return answer["data"]["result"]


def raised(lives):
    """The plain increase between a series's first sample and its last, resets counted from zero."""
    return sum((life[-1] for life in lives if life), Fraction(0)) - (lives[0][0] if lives[0] else 0)


def itemise(ours, theirs, from_baseline, causes):
    """Splits the difference on one series; both are lists of lives. A side that saw nothing has one empty life."""
    first = theirs[0][0] if theirs[0] else Fraction(0)
    if from_baseline:
        causes["at the start"] += first - ours[0][0]
    else:
        causes["new series"] += first
    last = [[life[-1] if life else Fraction(0) for life in side] for side in (ours, theirs)]
    longest = max(map(len, last))
    padded = [side + [Fraction(0)] * (longest - len(side)) for side in last]
    for number, (our, their) in enumerate(zip(*padded)):
        causes["at the end" if number == longest - 1 else "at resets"] += our - their


if __name__ == "__main__":
    given = arguments(__doc__, minutes=30.0, scrape=15)
    sys.exit(run(given, proof))
