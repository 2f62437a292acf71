#!/usr/bin/env python3
"""Exactness: targets that never pause, random kills, restarts, late series, a store outage; then the oracle's verdict.

    exactness.py --nines target/release/nines [--storage sqlite|postgres] [--kills 10] [--seed N] [--keep]
"""

import os
import sys
import time

from kit.daemon import Daemon, wait_for
from kit.proof import SLOS, arguments, compare, config, run
from kit.records import read_lines
from kit.target import PageLog, Target, Traffic

OUTAGE_S = 5


def proof(bench):
    options, chance = bench.options, bench.random
    log = PageLog(bench.pages)
    targets = [Target(log) for _ in range(3)]
    traffic = Traffic(targets, options.seed).start()
    bench.loaded_at_ms = int(time.time() * 1000)
    nines = Daemon(options.nines, bench.folder, bench.storage_url, config(targets), SLOS)
    bench.daemons.append(nines)
    nines.start()
    wait_for("a baseline of every target", lambda: committed(nines) >= {target.url for target in targets}, 40)

    outage_after = options.kills // 2
    for number in range(options.kills):
        time.sleep(chance.uniform(2, 8))
        if chance.random() < 0.7:
            chance.choice(targets).restart()
        time.sleep(chance.uniform(0, 3))
        if number == outage_after and bench.cluster:
            outage(bench, nines)
        nines.kill9()
        time.sleep(chance.uniform(0, 2))
        # As a supervisor would: it does not ask whether the store is there, or whether the last lease has ended.
        nines.start(wait=False)
        nines.wait_ready(60)
    wait_for("another commit of every target", progress(nines, targets), 60)

    for target in targets:
        target.refuse()
    traffic.stop()
    time.sleep(4)
    status = nines.stop()
    nines.start()
    counted, discrepancy = nines.settled()
    log.close()

    print(f"{options.kills} kills, {1 if bench.cluster else 0} outages of the store, "
          f"{sum(target.restarts for target in targets)} restarts of targets, {traffic.late_series} late series")
    off = compare(bench.verdict(), counted, discrepancy)
    if status != 0:
        print(f"SIGTERM ended nines with status {status}")
        off += 1
    return off


def outage(bench, nines):
    bench.cluster.stop()
    time.sleep(OUTAGE_S)
    bench.cluster.start()
    wait_for("ready after the outage", nines.ready, 60)
    time.sleep(bench.random.uniform(0, 4))


def committed(nines):
    """The URLs of which a commit has held a visit."""
    if not os.path.exists(nines.visits):
        return set()
    return {entry["url"] for entry in read_lines(nines.visits) if entry["kind"] == "commit" and entry["visits"]}


def progress(nines, targets):
    """A probe: every target has another commit in the log than when this was made."""
    return said(nines, '"kind":"commit"', [target.url for target in targets])


def said(nines, kind, urls):
    """A probe: for each of these there is a line of this kind in the log that was not there when this was made."""
    wanted, at = set(urls), os.path.getsize(nines.visits)

    def probe():
        nonlocal at
        with open(nines.visits, "rb") as file:
            file.seek(at)
            new = file.read()
        new = new[:new.rfind(b"\n") + 1]
        at += len(new)
        for line in new.decode(errors="replace").splitlines():
            if kind in line:
                wanted.difference_update([url for url in wanted if url in line])
        return not wanted

    return probe


if __name__ == "__main__":
    given = arguments(__doc__, kills=10)
    sys.exit(run(given, proof))
