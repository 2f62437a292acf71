#!/usr/bin/env python3
"""Cut commits: a proxy breaks connections after COMMIT was sent and before its answer; then counted == true.

    cut_commit.py --nines target/release/nines [--cuts 100] [--seed N] [--keep]

Only commits that move a target's cursor are cut and counted. Each is cut in one of three ways: the server has committed
and the answer is lost; both ends are cut while it is under way; the COMMIT never arrives. nines cannot tell them apart.
"""

import sys
import threading
import time
from collections import Counter

from kit.daemon import Daemon, Failed, wait_for
from kit.proof import SLOS, arguments, compare, config, run
from kit.proxy import ANSWERED, UNDER_WAY, WITHHELD, Proxy
from kit.target import PageLog, Target, Traffic
from exactness import committed, progress

SECONDS_PER_CUT = 8


class Cutter:
    """Decides at each COMMIT; counts what it did."""

    def __init__(self, chance, wanted):
        self.done, self.seen = Counter(), Counter()
        self._chance, self._wanted, self._lock = chance, wanted, threading.Lock()
        self.armed = False

    def decide(self, moves_cursor):
        with self._lock:
            self.seen["of a cursor" if moves_cursor else "other"] += 1
            if not self.armed or not moves_cursor or self.left() == 0 or self._chance.random() < 0.3:
                return None
            way = self._chance.choice((ANSWERED, ANSWERED, UNDER_WAY, WITHHELD))
            self.done[way] += 1
            return way

    def left(self):
        return self._wanted - sum(self.done.values())


def proof(bench):
    options = bench.options
    log = PageLog(bench.pages)
    targets = [Target(log) for _ in range(2)]
    traffic = Traffic(targets, options.seed).start()
    cutter = Cutter(bench.random, options.cuts)
    proxy = Proxy(bench.cluster.port, cutter.decide)
    bench.loaded_at_ms = int(time.time() * 1000)
    url = bench.cluster.url(proxy.port)
    nines = Daemon(options.nines, bench.folder, url, config(targets, evaluation="1s"), SLOS)
    bench.daemons.append(nines)
    nines.start()
    wait_for("a baseline of every target", lambda: committed(nines) >= {target.url for target in targets}, 40)

    cutter.armed = True
    wait_for(f"{options.cuts} cuts", lambda: alive(nines) and cutter.left() == 0, options.cuts * SECONDS_PER_CUT + 60)
    cutter.armed = False
    wait_for("another commit of every target", progress(nines, targets), 60)
    for target in targets:
        target.refuse()
    traffic.stop()
    time.sleep(3)
    nines.stop()
    nines.start()
    counted, discrepancy = nines.settled()
    log.close()
    ways = ", ".join(f"{count} {way}" for way, count in cutter.done.items())
    print(f"{ways} (of {sum(cutter.seen.values())} commits)")
    return compare(bench.verdict(), counted, discrepancy)


def alive(nines):
    if nines.process.poll() is not None:
        raise Failed(f"nines ended with status {nines.process.returncode}")
    return True


if __name__ == "__main__":
    given = arguments(__doc__, cuts=100)
    given.storage = "postgres"
    sys.exit(run(given, proof))
