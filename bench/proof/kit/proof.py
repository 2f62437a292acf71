"""The frame of a proof: a folder, a store, the SLOs, the oracle's verdict, one table, `N off`."""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

from kit.cluster import Cluster
from kit.daemon import Failed

ORACLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle.py")
TOTAL, BAD = 'http_requests_total{job="shop"}', 'http_requests_total{job="shop",code=~"5.."}'

SLOS = {
    "version": "nines/v1",
    "service": "shop",
    "slos": [
        {"name": "availability", "objective": 99, "window": "1d", "indicator": {"total": TOTAL, "bad": BAD}},
        {"name": "by-code", "objective": 99, "window": "1d",
         "indicator": {"total": TOTAL, "bad": BAD, "group_by": ["code"]}},
        {"name": "by-good", "objective": 99, "window": "1d",
         "indicator": {"total": TOTAL, "good": 'http_requests_total{job="shop",code!~"5.."}'}},
    ],
}


def arguments(description, **defaults):
    """The options that all proofs share; `defaults` adds numbers of its own."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH")
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def config(targets, scrape="1s", evaluation="3s", **more):
    """A config that scrapes these targets, or those of a file when `targets` is a path."""
    found = ({"file_sd_configs": [{"files": [targets], "refresh_interval": "1s"}]} if isinstance(targets, str)
             else {"static_configs": [{"targets": [target.address for target in targets]}]})
    return {"global": {"scrape_interval": scrape, "scrape_timeout": "900ms", "evaluation_interval": evaluation},
            "scrape_configs": [{"job_name": "shop", **found}], **more}


class Bench:
    """What a proof works with; everything that it starts is ended with it."""

    def __init__(self, options):
        self.options, self.folder = options, tempfile.mkdtemp(prefix="nines-proof-")
        os.chmod(self.folder, 0o755)
        self.random = random.Random(options.seed)
        self.pages = os.path.join(self.folder, "pages.jsonl")
        self.daemons, self.loaded_at_ms = [], 0
        self.cluster = Cluster(self.folder) if options.storage == "postgres" else None
        self.storage_url = self.cluster.url() if self.cluster else f"sqlite:{self.folder}/nines.db"

    def verdict(self, slos=None, visits=None):
        """What the oracle says of this run."""
        specs = os.path.join(self.folder, "slos.json")
        with open(specs, "w", encoding="utf-8") as file:
            json.dump([self._spec(slo) for slo in (slos or SLOS)["slos"]], file)
        visits = visits or [daemon.visits for daemon in self.daemons if os.path.exists(daemon.visits)]
        if not visits:
            raise Failed("nines wrote no visit log: does it know --debug.visit-log?")
        done = subprocess.run([sys.executable, ORACLE, "--pages", self.pages, "--slos", specs, "--visits", *visits],
                              capture_output=True, text=True, check=False, timeout=3600)
        if not done.stdout:
            raise Failed(f"the oracle failed:\n{done.stderr}")
        return json.loads(done.stdout)

    def _spec(self, slo):
        known = ("total", "bad", "good", "latency", "threshold", "group_by")
        spec = {key: value for key, value in slo["indicator"].items() if key in known}
        return {"id": f"shop/{slo['name']}", "loaded_at_ms": self.loaded_at_ms, **spec}

    def close(self):
        for daemon in self.daemons:
            if daemon.process and daemon.process.poll() is None:
                daemon.kill9()
        with contextlib.suppress(Exception):
            if self.cluster:
                self.cluster.crash()
        if not self.options.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def compare(verdict, counted, discrepancy, groups=True):
    """The table, and how many figures are off; groups that are right can be left out."""
    rows, off = [("slo", "true", "lost to resets", "expected", "counted", "off")], len(verdict["problems"])
    for expected in verdict["slos"]:
        seen = counted.get(expected["id"], (None, None))
        for word, value in (("total", seen[0]), ("good", seen[1])):
            wanted, true = Fraction(expected[word]), Fraction(expected["true"])
            wrong = value != wanted
            off += wrong
            if not (groups or wrong or expected["resets"] is not None):
                continue
            true, lost = (show(true), show(true - wanted)) if word == "total" else ("", "")
            rows.append((f"{expected['id']} {word}", true, lost, show(wanted), show(value), "OFF" if wrong else "0"))
    off += discrepancy != 0
    table(rows)
    print(f"double entry: discrepancy {show(discrepancy)}; {verdict['commits']} commits, {verdict['visits']} visits; "
          f"{verdict['slos'][0]['resets'] if verdict['slos'] else 0} series reset; "
          f"of {verdict['recovered']} commits nothing but the beginning and the next cursor tell")
    for problem in verdict["problems"][:20]:
        print(f"problem: {problem}")
    return off


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def show(value):
    if value is None:
        return "none"
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6f}"


def run(options, proof):
    """Runs a proof that gives back how many figures are off; prints `N off`; the exit status."""
    started, bench = time.monotonic(), None
    print(f"storage {options.storage}, seed {options.seed}")
    try:
        bench = Bench(options)
        off = proof(bench)
    except Failed as failure:
        print(f"FAILED: {failure}")
        for daemon in bench.daemons if bench else []:
            print(f"--- the end of {daemon.name}'s log\n{daemon.tail()}" if os.path.exists(daemon.log) else "")
        off = 1
    finally:
        if bench:
            bench.close()
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{off} off")
    return 1 if off else 0
