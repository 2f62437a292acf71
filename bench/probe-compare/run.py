#!/usr/bin/env python3
"""Side by side in one run: nines, and blackbox exporter driven by Prometheus, probe the same addresses over HTTP.

    run.py --nines target/release/nines [--targets 5000] [--interval 30] [--duration 90] [--warm-up 40]

Both get every address in jobs of a hundred; nines keeps an SLO for each job besides. The addresses are 127.0.x.y, served
by one process (bench/farm). What is compared is the CPU time and the memory of each side while both are at work; of nines
also how late its probes begin. Prometheus only scrapes: it evaluates no rules.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from measure import (MIB, Failed, Process, farm_binary, fetch, free_port, machine, metric, say, start_farm,  # noqa: E402
                     table, wait_until)

FARM_PORT = 9200
OF_JOB = 100
BLACKBOX = "prometheus-blackbox-exporter"


def addresses(count):
    return [f"127.0.{1 + number // 250}.{1 + number % 250}:{FARM_PORT}" for number in range(count)]


def jobs(targets):
    return [(f"web-{start // OF_JOB}", [f"http://{address}/metrics" for address in targets[start:start + OF_JOB]])
            for start in range(0, len(targets), OF_JOB)]


class Side:
    """One way to probe: its processes, and how many probes it says that it has made."""

    def __init__(self, name, processes, probes):
        self.name, self.processes, self.probes = name, processes, probes
        self.begun, self.most = None, 0

    def begin(self):
        self.begun = (time.monotonic(), self.cpu(), self.probes())

    def cpu(self):
        return [sum(process.cpu()) for process in self.processes]

    def look(self):
        for process in self.processes:
            if not process.alive():
                raise Failed(f"{process.name} ended:\n{process.tail()}")
        self.most = max(self.most, sum(process.memory()["VmRSS"] for process in self.processes))

    def result(self):
        took = time.monotonic() - self.begun[0]
        cpu = [now - before for now, before in zip(self.cpu(), self.begun[1])]
        probes = self.probes() - self.begun[2]
        return {"name": self.name, "seconds": took, "probes": int(probes), "cpu": sum(cpu),
                "cpu_ms_per_probe": sum(cpu) / probes * 1000 if probes else None, "rss_max_mib": self.most / MIB,
                "cpu_of": {process.name: round(used, 2) for process, used in zip(self.processes, cpu)}}


def nines(options, folder, targets):
    home, port = os.path.join(folder, "nines"), free_port()
    os.makedirs(home)
    listed = jobs(targets)
    write(os.path.join(home, "nines.yml"), {
        "slo_files": ["slos.yaml"],
        "probes": [{"job_name": name, "module": "http_2xx", "interval": f"{options.interval}s", "timeout": "10s",
                    "targets": urls} for name, urls in listed]})
    write(os.path.join(home, "slos.yaml"), {
        "version": "nines/v1", "service": "web",
        "slos": [{"name": name, "objective": 99, "window": "30d", "indicator": {"probe": name}} for name, _ in listed]})
    process = Process("nines", [options.nines, "serve", f"--config.file={home}/nines.yml",
                                f"--storage.url=sqlite:{home}/nines.db", f"--web.listen-address=127.0.0.1:{port}"], home)
    side = Side("nines", [process], lambda: metric(fetch(port, "/metrics"), "nines_probes_total") or 0.0)
    side.port = port
    return side


def blackbox(options, folder, targets):
    home, exporter_port, port = os.path.join(folder, "blackbox"), free_port(), free_port()
    os.makedirs(home)
    write(os.path.join(home, "blackbox.yml"), {"modules": {"http_2xx": {
        "prober": "http", "timeout": "10s", "http": {"preferred_ip_protocol": "ip4"}}}})
    exporter = Process("blackbox exporter", [options.blackbox, f"--config.file={home}/blackbox.yml",
                                             f"--web.listen-address=127.0.0.1:{exporter_port}"], home)
    relabel = [{"source_labels": ["__address__"], "target_label": "__param_target"},
               {"source_labels": ["__param_target"], "target_label": "instance"},
               {"target_label": "__address__", "replacement": f"127.0.0.1:{exporter_port}"}]
    write(os.path.join(home, "prometheus.yml"), {
        "global": {"scrape_interval": f"{options.interval}s", "scrape_timeout": "10s"},
        "scrape_configs": [{"job_name": name, "metrics_path": "/probe", "params": {"module": ["http_2xx"]},
                            "static_configs": [{"targets": urls}], "relabel_configs": relabel}
                           for name, urls in jobs(targets)]})
    prometheus = Process("Prometheus", [options.prometheus, f"--config.file={home}/prometheus.yml",
                                        f"--storage.tsdb.path={home}/data", f"--web.listen-address=127.0.0.1:{port}"], home)

    def probes():
        page = fetch(exporter_port, "/metrics")
        return metric(page, "promhttp_metric_handler_requests_total") and made(port) or 0.0

    def made(port):
        return metric(fetch(port, "/metrics"), "prometheus_target_interval_length_seconds_count") or 0.0
    return Side("blackbox exporter + Prometheus", [exporter, prometheus], probes)


def write(path, document):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)


def quantile(page, name, share):
    """The upper bound of the bucket that holds this share of a histogram."""
    found = {}
    for line in page.splitlines():
        if line.startswith(f'{name}_bucket{{le="'):
            bound, value = line.split('le="', 1)[1].split('"} ')
            found[float(bound)] = float(value)
    total = found.get(float("inf"), 0)
    return next((bound for bound, count in sorted(found.items()) if total and count >= share * total), None)


def run(options, folder):
    started = []
    try:
        farm = start_farm(options.farm, folder, "many", "--port", FARM_PORT, "--targets", options.targets,
                          "--period-ms", options.interval * 1000)
        started.append(farm)
        targets = addresses(options.targets)
        sides = []
        for make in (nines, blackbox):
            sides.append(make(options, folder, targets))
            started.extend(sides[-1].processes)
        for side in sides:
            wait_until(f"{side.name} probes", lambda side=side: side.probes() > 0, 60)
        say(f"both probe; warm-up of {options.warm_up} s")
        time.sleep(options.warm_up)
        for side in sides:
            side.begin()
        until = time.monotonic() + options.duration
        while time.monotonic() < until:
            time.sleep(1)
            for side in sides:
                side.look()
        page = fetch(sides[0].port, "/metrics")
        return [side.result() for side in sides], {
            "lag_p50": quantile(page, "nines_probe_lag_seconds", 0.5),
            "lag_p99": quantile(page, "nines_probe_lag_seconds", 0.99),
            "skipped": metric(page, "nines_probes_skipped_total") or 0,
            "verdicts": [line for line in page.splitlines() if line.startswith("nines_probes_total{")],
            "discrepancy": metric(page, "nines_ledger_discrepancy_events")}
    finally:
        for process in reversed(started):
            process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def show(sides, of_nines):
    ours = sides[0]
    rows = [("", "probes", "CPU s", "CPU ms / probe", "x nines", "RSS MiB max", "x nines")]
    for side in sides:
        rows.append((side["name"], side["probes"], f"{side['cpu']:.2f}", f"{side['cpu_ms_per_probe']:.3f}",
                     f"{side['cpu_ms_per_probe'] / ours['cpu_ms_per_probe']:.1f}", f"{side['rss_max_mib']:.1f}",
                     f"{side['rss_max_mib'] / ours['rss_max_mib']:.1f}"))
    table(rows)
    print("of it:", ", ".join(f"{name} {used} s" for name, used in sides[1]["cpu_of"].items()))
    print(f"nines begins half of its probes within {of_nines['lag_p50']} s, 99 % within {of_nines['lag_p99']} s; "
          f"skipped {of_nines['skipped']:.0f}; discrepancy {of_nines['discrepancy']}")
    for line in of_nines["verdicts"]:
        print(line)


def install(options):
    """Debian's packages, where they are missing and we may."""
    for field, package in (("prometheus", "prometheus"), ("blackbox", BLACKBOX)):
        found = shutil.which(getattr(options, field) or package)
        if not found and os.geteuid() == 0 and shutil.which("apt-get"):
            say(f"installing {package} …")
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], check=False,
                           stdout=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
            found = shutil.which(package)
        if not found:
            raise Failed(f"{package} is not here: install it, or say where it is with --{field}")
        setattr(options, field, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--prometheus", metavar="PATH")
    parser.add_argument("--blackbox", metavar="PATH")
    parser.add_argument("--farm", metavar="PATH", help="the load generator's binary; built when it is not given")
    parser.add_argument("--targets", type=int, default=5000)
    parser.add_argument("--interval", type=int, default=30, help="seconds between two probes of an address")
    parser.add_argument("--duration", type=int, default=90)
    parser.add_argument("--warm-up", type=int, default=40)
    options = parser.parse_args()
    options.nines = os.path.abspath(options.nines)
    try:
        install(options)
        options.farm = farm_binary(options.farm)
        print(f"{machine()}; {options.targets} addresses every {options.interval} s, {options.duration} s")
        sides, of_nines = run(options, tempfile.mkdtemp(prefix="nines-probe-compare-"))
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    show(sides, of_nines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
