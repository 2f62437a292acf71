#!/usr/bin/env python3
"""Thirty days of synthetic history on a real server, counted: exactly by selectors, to a thousandth by functions.

    history.py --nines PATH [--server prometheus|victoria] [--storage sqlite|postgres] [--days N] [--no-gaps] [--kill] [--seed N] [--keep]

Writes the history of a few services as OpenMetrics: targets at 15 s and 60 s, outages, resets, gaps, a series that is
born late, a target that comes with a deploy. The arithmetic on what is written is done while it is written, by the rules
of docs/sources.md. Then Prometheus serves the blocks (VictoriaMetrics imports the same samples), nines keeps 24 SLOs on
it, and the whole windows must show what the arithmetic says: selectors, and functions that nines understands, to the
event. `computed` SLOs are expressions that only the server can compute; they lose what happens across gaps and how much
is only shown. With --no-gaps there are no gaps and no series is born late, and they must be right within 0.1 % of all
events. With --kill nines is killed in the middle of the reading, twice. Prints the time, the questions that were asked, what Prometheus needs
for Sloth's and Pyrra's 30d queries of the same SLOs, and what the server's own increase() finds. Exits 0 only when all
agree.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from kit.cluster import Cluster
from kit.daemon import Daemon, Failed, free_port, wait_for

HOUR, DAY = 3600, 86400
BOUNDS = ("0.1", "0.3", "1.0", "+Inf")


class Series:
    """One counter as its process has it."""

    def __init__(self, name, labels):
        self.name, self.labels, self.value = name, labels, 0

    def text(self):
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(self.labels.items()))
        return f"{self.name}{{{labels}}}"


class Target:
    """A process, scraped every `interval` seconds, and what its selectors must count."""

    def __init__(self, rng, job, instance, interval, born, start, traffic, codes=("200",)):
        self.rng, self.interval, self.born, self.start = rng, interval, born, start
        self.first_codes = codes
        self.traffic = traffic
        base = {"job": job, "instance": instance}
        self.base = base
        self.codes = self.new_codes()
        self.buckets = {le: Series("http_request_duration_seconds_bucket", {**base, "le": le}) for le in BOUNDS}
        self.count = Series("http_request_duration_seconds_count", base)
        if start < born - 2 * HOUR:
            self.codes["200"].value = rng.randrange(10 ** 6)
            for series in [*self.buckets.values(), self.count]:
                series.value = rng.randrange(5 * 10 ** 5, 10 ** 6)
            values = sorted(series.value for series in self.buckets.values())
            for le, value in zip(BOUNDS, values):
                self.buckets[le].value = value
            self.count.value = values[-1]
        self.restarted = start
        self.known = False
        self.last, self.last_start = {}, None

    def new_codes(self):
        """The series that a process has from its start; others come with their first event."""
        return {code: Series("http_requests_total", {**self.base, "code": code}) for code in self.first_codes}

    def live(self, seconds):
        """What happens between two scrapes."""
        served = self.rng.randrange(int(self.traffic * seconds * 0.5), int(self.traffic * seconds * 1.5) + 2)
        failed = sum(self.rng.random() < self.errors for _ in range(min(served, 40)))
        self.codes["200"].value += served - failed
        if failed:
            self.codes.setdefault("500", Series("http_requests_total", {**self.base, "code": "500"})).value += failed
        slow = sum(self.rng.random() < 0.03 for _ in range(min(served, 40)))
        quick = (served - slow) // 2
        for le, amount in zip(BOUNDS, (quick, served - slow, served - slow // 2, served)):
            self.buckets[le].value += amount
        self.count.value += served

    errors = 0.002

    def restart(self, at):
        self.restarted = at
        self.codes = self.new_codes()
        for series in [*self.buckets.values(), self.count]:
            series.value = 0

    def shown(self):
        return [*self.codes.values(), *self.buckets.values(), self.count]


class Truth:
    """What must be counted, by job: (total, bad) of requests, (total, good) of latencies, by the counting rules."""

    def __init__(self):
        self.sums = {}

    def scrape(self, job, target, at, first_of_history):
        sums = self.sums.setdefault(job, {"total": 0, "bad": 0, "count": 0, "fast": 0})
        from_zero = target.known or (not first_of_history and target.restarted >= at - 600)
        now = {series.text(): series.value for series in target.shown()}
        fallen = {family(text) for text, value in now.items() if value < target.last.get(text, 0)}
        if target.last_start is not None and target.restarted > target.last_start + 5:
            # A newer process of which one series fell: its whole metric begins anew, with what is absent.
            target.last = {text: 0 if family(text) in fallen else value for text, value in target.last.items()}

        def delta(series):
            before = target.last.get(series.text())
            if before is None:
                return series.value if from_zero else 0
            return series.value - before if series.value >= before else series.value

        for code, series in target.codes.items():
            grown = delta(series)
            sums["total"] += grown
            sums["bad"] += grown if code == "500" else 0
        sums["count"] += delta(target.count)
        sums["fast"] += delta(target.buckets["0.3"])
        # A series that is absent keeps its last value: it continues from there, or was reset with its metric.
        target.last = {**target.last, **now}
        target.known, target.last_start = True, target.restarted


def family(text):
    """A histogram's buckets and its count are one metric."""
    return text.split("{")[0].removesuffix("_bucket").removesuffix("_count")


def history(rng, begin, end, out, has_gaps):
    """Writes the samples, grouped by series as promtool wants them, and gives the truth."""
    truth, samples = Truth(), {}
    targets, codes = [], ("200",) if has_gaps else ("200", "500")
    for number in range(4):
        job, interval = f"svc{number}", 60 if number == 3 else 15
        for copy in range(2):
            targets.append(Target(rng, job, f"{job}-{copy}:80", interval, begin, begin - 10 * DAY, 0.4 + number, codes))
    # A target that comes with a deploy in the middle, and one whose first scrape is long after its start.
    targets.append(Target(rng, "svc0", "svc0-9:80", 15, begin + (end - begin) // 2, begin + (end - begin) // 2 - 30, 1, codes))
    targets.append(Target(rng, "svc1", "svc1-9:80", 15, begin + 3 * DAY, begin - DAY, 1, codes))
    outages = [(begin + rng.uniform(0.1, 0.9) * (end - begin), rng.choice([120, 900, 4000, 3 * HOUR])) for _ in range(6)]
    for target in targets:
        job = target.base["job"]
        offset = rng.randrange(target.interval)
        restarts = sorted(rng.uniform(target.born, end) for _ in range(4))
        gaps = [(rng.uniform(target.born, end), rng.choice([40, 300, 2 * HOUR])) for _ in range(5)]
        incidents = [(rng.uniform(target.born, end), rng.randrange(600, 4 * HOUR)) for _ in range(3)]
        first = True
        at = target.born + offset
        while at < end:
            target.live(target.interval)
            target.errors = 0.2 if any(a <= at < a + length for a, length in incidents) else 0.002
            while restarts and restarts[0] <= at:
                restarts.pop(0)
                target.restart(at - 1)
                target.live(1)
            hidden = has_gaps and any(a <= at < a + length for a, length in outages + gaps)
            if not hidden:
                truth.scrape(job, target, at, first and target.born == begin)
                first = False
                for series in target.shown():
                    samples.setdefault(series.text(), []).append((at, series.value))
                for name, value in (("up", 1), ("process_start_time_seconds", target.restarted)):
                    text = Series(name, target.base).text()
                    samples.setdefault(text, []).append((at, value))
            at += target.interval
    families = {}
    for text, points in samples.items():
        families.setdefault(text.split("{")[0], []).append((text, points))
    with open(out, "w", encoding="utf-8") as file:
        for name, series in sorted(families.items()):
            file.write(f"# TYPE {name} unknown\n")
            for text, points in series:
                file.writelines(f"{text} {value} {at}\n" for at, value in points)
        file.write("# EOF\n")
    return truth.sums, samples


class Prometheus:
    def __init__(self, folder, text):
        self.port, self.url = free_port(), None
        blocks = Path(folder) / "blocks"
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=48h", str(text), str(blocks)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        config = Path(folder) / "prometheus.yml"
        config.write_text("{}", encoding="utf-8")
        log = open(Path(folder) / "prometheus.log", "wb")
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={blocks}", "--storage.tsdb.retention.time=400d",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        wait_for("Prometheus", lambda: answers(f"{self.url}/-/ready"), 60)


class Victoria:
    def __init__(self, folder, text):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        log = open(Path(folder) / "victoria.log", "wb")
        self.process = subprocess.Popen(
            ["victoria-metrics", f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=2y"],
            stdout=log, stderr=log)
        wait_for("VictoriaMetrics", lambda: answers(f"{self.url}/health"), 60)
        buffer, size = [], 0
        with open(text, encoding="utf-8") as file:
            for line in file:
                if line.startswith("#"):
                    continue
                series, value, at = line.rsplit(" ", 2)
                buffer.append(f"{series} {value} {int(float(at) * 1000)}\n")
                size += 1
                if size == 100_000:
                    self._import(buffer)
                    buffer, size = [], 0
        self._import(buffer)
        time.sleep(3)

    def _import(self, lines):
        request = urllib.request.Request(f"{self.url}/api/v1/import/prometheus", data="".join(lines).encode(), method="POST")
        urllib.request.urlopen(request, timeout=60).read()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def ask(server, query, at):
    body = urllib.parse.urlencode({"query": query, "time": at}).encode()
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"{server.url}/api/v1/query", data=body, timeout=300) as answer:
            result = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as refused:
        print(f"the server refuses {query}: {refused.read().decode(errors='replace')[:300]}")
        result = []
    return (float(result[0]["value"][1]) if result else 0.0), time.monotonic() - began


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def slos(window):
    """Five SLOs for each of four services: by selectors and by functions, ratios, latencies and raw ratios."""
    found = []

    def add(name, **indicator):
        asked = {key: value for key, value in {"source": "main", **indicator}.items() if value}
        found.append({"name": name, "objective": 99, "window": window, "alerting": {"no_data_for": "0s"},
                      "indicator": asked})

    for number in range(4):
        job, range_ = f'job="svc{number}"', "[{{.window}}]"
        total, bad = f"http_requests_total{{{job}}}", f'http_requests_total{{{job},code=~"5.."}}'
        add(f"selectors-{number}", total=total, bad=bad)
        add(f"latency-{number}", latency=f"http_request_duration_seconds{{{job}}}", threshold="300ms")
        # As the files of Sloth and Pyrra have it: no source, so the default server is asked.
        add(f"increase-{number}", source=None, total=f"sum(increase({total}{range_}))", bad=f"sum(increase({bad}{range_}))")
        add(f"rate-{number}", total=f"sum(rate({total}{range_}))", bad=f"sum(rate({bad}{range_}))")
        add(f"computed-{number}", total=f"sum(increase({total}{range_})) + 0 * sum(rate({total}{range_}))",
            bad=f"sum(increase({bad}{range_})) + 0 * sum(rate({total}{range_}))")
        add(f"grouped-{number}", total=total, bad=bad, group_by=["instance"])
    return found


def wanted(truth, name):
    kind, number = name.split("-")
    sums = truth[f"svc{number}"]
    if kind == "latency":
        return sums["count"], sums["count"] - sums["fast"]
    return sums["total"], sums["bad"]


def read_wholly(daemon):
    backfills = daemon.data("/api/v1/backfills")["backfills"]
    return len(backfills) == 24 and all(one["backfill"]["missing"] is None for one in backfills)


def run(options, folder):
    rng = random.Random(options.seed)
    end = int(time.time()) // 60 * 60 - 600
    begin = end - options.days * DAY + 4 * HOUR
    text = Path(folder) / "history.txt"
    began = time.monotonic()
    truth, samples = history(rng, begin, end, text, not options.no_gaps)
    print(f"{sum(map(len, samples.values())):,} samples of {len(samples)} series written in {time.monotonic() - began:.0f} s", flush=True)
    server = (Prometheus if options.server == "prometheus" else Victoria)(folder, text)
    cluster = None
    if options.storage == "postgres":
        cluster = Cluster(folder)
        storage = cluster.create("history")
    else:
        storage = f"sqlite:{folder}/nines.db"
    config = {"global": {"evaluation_interval": "2s"}, "prometheus_servers": [{"name": "main", "url": server.url, "query_offset": "1m", "queries_per_second": 1000}]}
    spec = {"version": "nines/v1", "service": "history", "slos": slos(f"{options.days}d")}
    daemon = Daemon(options.nines, folder, storage, config, spec)
    try:
        before, began = cpu_seconds(server.process.pid), time.monotonic()
        daemon.start()
        if options.kill:
            for _ in range(2):
                time.sleep(rng.uniform(1, 4))
                daemon.kill9()
                daemon.start()
        wait_for("the whole windows", lambda: read_wholly(daemon), 1800, every=0.5)
        took, cpu = time.monotonic() - began, cpu_seconds(server.process.pid) - before
        time.sleep(5)
        return judge(daemon, server, truth, (took, cpu), end, options)
    finally:
        daemon.stop()
        server.process.terminate()
        server.process.wait(20)
        if cluster:
            cluster.stop()


def judge(daemon, server, truth, costs, end, options):
    off = 0
    print(f"{'SLO':14} {'total':>16} {'of':>10} {'%':>8} {'bad':>14} {'of':>8} {'%':>8}")
    for slo in daemon.data("/api/v1/slos?limit=1000")["slos"]:
        if slo.get("group"):
            continue
        wants = wanted(truth, slo["name"])
        found = slo["events"]["total"], slo["events"]["bad"]
        is_computed = slo["name"].startswith("computed")
        allowed = 0.001 * wants[0] if is_computed else 0
        is_off = any(abs(a - b) > allowed for a, b in zip(found, wants))
        verdict = "" if not is_off else "lost across gaps" if is_computed and not options.no_gaps else "OFF"
        off += verdict == "OFF"
        (total, bad), (of_total, of_bad) = found, [100 * (a / max(b, 1) - 1) for a, b in zip(found, wants)]
        print(f"{slo['name']:14} {total:16.3f} {wants[0]:10} {of_total:+8.3f} {bad:14.3f} {wants[1]:8} {of_bad:+8.3f} {verdict}")
    discrepancy = [line for line in daemon.get("/metrics")[1].splitlines() if line.startswith("nines_ledger_discrepancy")]
    took, cpu = costs
    print(f"the windows were whole after {took:.1f} s; the server used {cpu:.1f} CPU s; {' '.join(discrepancy)}")
    metrics = daemon.get("/metrics")[1]
    print("\n".join(line for line in metrics.splitlines() if line.startswith("nines_source_queries_total")))
    before = cpu_seconds(server.process.pid)
    sloth = pyrra = 0.0
    for number in range(4):
        job = f'job="svc{number}"'
        total, bad = f"http_requests_total{{{job}}}", f'http_requests_total{{{job},code=~"5.."}}'
        own, seconds = ask(server, f"sum(increase({total}[{options.days}d]))", end)
        pyrra += seconds + ask(server, f"sum(increase({bad}[{options.days}d]))", end)[1]
        sloth += ask(server, f"sum_over_time((sum(rate({bad}[5m])) / sum(rate({total}[5m])))[{options.days}d:30s])", end)[1]
        counted = truth[f"svc{number}"]["total"]
        print(f"svc{number}: increase({options.days}d) finds {own:.0f} of {counted}: {100 * (own / counted - 1):+.2f} %")
    print(f"the server's own answers for 4 services: Pyrra's increase {pyrra:.1f} s, Sloth's optimised rule from "
          f"nothing {sloth:.1f} s; {cpu_seconds(server.process.pid) - before:.1f} CPU s")
    print(f"{off} off")
    return 0 if off == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True)
    parser.add_argument("--server", choices=("prometheus", "victoria"), default="prometheus")
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-gaps", action="store_true")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.nines = str(Path(options.nines).resolve())
    folder = tempfile.mkdtemp(prefix="nines-history-")
    # Postgres runs as another user.
    Path(folder).chmod(0o755)
    try:
        return run(options, folder)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
