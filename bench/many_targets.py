#!/usr/bin/env python3
"""10,000 small targets every 15 s on one core: how evenly they are visited, and what that costs.

    many_targets.py --nines target/release/nines [--targets 10000] [--interval 15] [--slos 20] [--cpu 0] [-o json]

Every target is an address of its own on loopback (127.0.x.y), so nines keeps a connection to each. The load generator
measures from outside how far the time between two visits of a target is from the interval; nines says the same of itself in
`nines_scrape_lag_seconds`, where it has it.
"""

import argparse
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time

from measure import (MIB, Failed, Process, farm_binary, fetch, free_port, machine, metric, say, start_farm, table,
                     wait_until)


def raise_limit(wanted):
    """Connections are file descriptors, of nines as of the load generator."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise Failed(f"{wanted} open files are needed, {hard} are allowed: ulimit -Hn {wanted}, or fewer --targets")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def write_setup(home, options, port):
    targets = [f"127.0.{number // 250 + 1}.{number % 250 + 1}:{port}" for number in range(options.targets)]
    os.makedirs(os.path.join(home, "slos"))
    slos = []
    for number in range(options.slos):
        chosen = f'service="svc-{number % 20}",route="/r{number // 20 % 5}"'
        slos.append({"name": f"availability-{number:03}", "objective": 99, "window": "30d",
                     "indicator": {"total": f"http_requests_total{{{chosen}}}",
                                   "bad": f'http_requests_total{{{chosen},code="500"}}'}})
    config = {"global": {"scrape_interval": f"{options.interval}s", "evaluation_interval": "15s"},
              "slo_files": ["slos/*.yaml"],
              "scrape_configs": [{"job_name": "many", "static_configs": [{"targets": targets}]}]}
    for path, document in (("nines.yml", config),
                           ("slos/many.yaml", {"version": "nines/v1", "service": "shop", "slos": slos})):
        with open(os.path.join(home, path), "w", encoding="utf-8") as file:
            json.dump(document, file)


def quantile(text, name, share):
    """The upper bound of the bucket in which that share of a histogram lies, and how many it counts."""
    buckets = {}
    for bound, count in re.findall(rf'^{name}_bucket{{[^}}\n]*?le="([^"]+)"[^}}\n]*}} (\S+)', text, re.M):
        buckets[float(bound)] = buckets.get(float(bound), 0.0) + float(count)
    total = buckets.get(float("inf"), 0.0)
    return next((bound for bound in sorted(buckets) if total and buckets[bound] >= total * share), None)


def measure(options, folder):
    started = []
    try:
        farm_port, port = 9200, free_port()
        farm = start_farm(options.farm, folder, "many", "--port", farm_port, "--targets", options.targets,
                          "--period-ms", options.interval * 1000)
        started.append(farm)
        empty = dict(options.__dict__, targets=0)
        baseline = None
        for name, given in (("empty", argparse.Namespace(**empty)), ("nines", options)):
            home = os.path.join(folder, name)
            write_setup(home, given, farm_port)
            nines = Process(name, [options.nines, "serve", f"--config.file={home}/nines.yml",
                                   f"--storage.url=sqlite:{home}/nines.db", f"--web.listen-address=127.0.0.1:{port}"],
                            home, cpus=str(options.cpu))
            started.append(nines)
            wait_until("nines answers", lambda: fetch(port, "/-/healthy") is not None, 60)
            if name == "empty":
                # What it needs without any target: the rest is what targets cost.
                time.sleep(8)
                baseline = nines.memory()
                nines.stop()
        say(f"warm-up of {options.warm_up} s")
        time.sleep(options.warm_up)
        seen = json.loads(fetch(farm_port, "/farm?reset"))
        began, cpu, before = time.monotonic(), nines.cpu(), fetch(port, "/metrics")
        readings, slowest = [], 0.0
        while time.monotonic() < began + options.duration:
            time.sleep(1)
            readings.append(nines.memory())
            asked = time.monotonic()
            fetch(port, "/-/ready" if nines.alive() else "")
            slowest = max(slowest, time.monotonic() - asked)
        took = time.monotonic() - began
        after, outside = fetch(port, "/metrics"), json.loads(fetch(farm_port, "/farm"))
        user, system = (now - then for now, then in zip(nines.cpu(), cpu))
        failures = (metric(after, "nines_scrape_failures_total") or 0) - (metric(before, "nines_scrape_failures_total") or 0)
        held = readings[-1]["RssAnon"] - baseline["RssAnon"]
        return {
            "targets": options.targets, "answered": seen["targets"], "connections": outside["connections"],
            "seconds": round(took, 1),
            "scrapes_per_second": round((metric(after, "nines_scrapes_total") - metric(before, "nines_scrapes_total")) / took, 1),
            "failures": int(failures),
            "cpu_share": round((user + system) / took, 3), "cpu_user": round(user, 2), "cpu_system": round(system, 2),
            "cpu_us_per_scrape": round((user + system) / max(1, outside["requests"]) * 1e6),
            "jitter_ms": outside["jitter_ms"],
            "lag_p50_s": quantile(after, "nines_scrape_lag_seconds", 0.5),
            "lag_p99_s": quantile(after, "nines_scrape_lag_seconds", 0.99),
            "rss_max_mib": round(max(one["VmRSS"] for one in readings) / MIB, 1),
            "rss_without_targets_mib": round(baseline["VmRSS"] / MIB, 1),
            "bytes_per_target": round(held * 1024 / max(1, options.targets)),
            "ready_slowest_ms": round(slowest * 1000, 1),
        }
    finally:
        for process in reversed(started):
            process.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--farm", metavar="PATH", help="the load generator's binary; built when it is not given")
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--interval", type=int, default=15)
    parser.add_argument("--slos", type=int, default=20)
    parser.add_argument("--cpu", type=int, default=0, help="the processor that nines may use")
    parser.add_argument("--warm-up", type=int, default=45)
    parser.add_argument("--duration", type=int, default=90)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    options.nines = os.path.abspath(options.nines)
    folder = tempfile.mkdtemp(prefix="nines-many-")
    try:
        raise_limit(options.targets + 500)
        options.farm = farm_binary(options.farm)
        where, result = machine(), measure(options, folder)
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.output == "json":
        json.dump({"machine": where, **result}, sys.stdout, indent=1)
        print()
        return 0
    print(where)
    table([("figure", "value"), *((key.replace("_", " "), json.dumps(value)) for key, value in result.items())])
    return 0


if __name__ == "__main__":
    sys.exit(main())
