#!/usr/bin/env python3
"""A rolling deploy: 20 discovered targets are replaced twice under load; counted == true minus what their ends hid.

    rolling_deploy.py --nines target/release/nines [--storage sqlite|postgres] [--targets 20] [--rounds 2] [--seed N]

A new target takes events from its first moment; every second old one is gone at once, the others stay scrapable
for two more seconds without traffic, as with a drain. What a target counted after its last committed visit is lost, and
is shown.
"""

import json
import os
import sys
import time

from kit.daemon import Daemon, wait_for
from kit.proof import SLOS, arguments, compare, config, run
from kit.target import PageLog, Target, Traffic
from exactness import committed, progress

DRAIN_S = 2.0


def proof(bench):
    options = bench.options
    log = PageLog(bench.pages)
    listed = os.path.join(bench.folder, "targets.json")
    targets = [Target(log) for _ in range(options.targets)]
    write(listed, targets)
    traffic = Traffic(targets, options.seed, per_second=40).start()
    bench.loaded_at_ms = int(time.time() * 1000)
    nines = Daemon(options.nines, bench.folder, bench.storage_url, config(listed), SLOS)
    bench.daemons.append(nines)
    nines.start()
    wait_for("a baseline of every target", lambda: committed(nines) >= {target.url for target in targets}, 60)

    replaced = 0
    for _ in range(options.rounds):
        for place in range(options.targets):
            replace(bench, traffic, targets, place, log, listed, drain=place % 2 == 1)
            replaced += 1
    wait_for("another commit of every target", progress(nines, targets), 60)
    for target in targets:
        target.refuse()
    traffic.stop()
    time.sleep(4)
    nines.stop()
    nines.start()
    counted, discrepancy = nines.settled()
    log.close()
    print(f"{replaced} targets replaced, half of them without a drain")
    return compare(bench.verdict(), counted, discrepancy)


def replace(bench, traffic, targets, place, log, listed, drain):
    """One target gives way to a new one."""
    old, new = targets[place], Target(log, age=0.0)
    targets[place] = new
    traffic.targets = list(targets)
    write(listed, [*targets, old] if drain else targets)
    if drain:
        time.sleep(DRAIN_S)
        write(listed, targets)
    old.stop()
    time.sleep(bench.random.uniform(0.2, 0.8))


def write(path, targets):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump([{"targets": [target.address for target in targets]}], file)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    given = arguments(__doc__, targets=20, rounds=2)
    sys.exit(run(given, proof))
