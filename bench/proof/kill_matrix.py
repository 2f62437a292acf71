#!/usr/bin/env python3
"""kill -9 at every step between an evaluation and a receiver's acceptance: nothing is lost, doubled twice or out of order.

    kill_matrix.py --nines target/release/nines [--storage sqlite|postgres] [--rounds 40] [--lanes 4] [--seed N] [--keep]

Every round is a fresh store and daemon, a webhook receiver and a mail server. Its step is reached twice, once by a
trigger and once by its resolve, and each time nines is killed there and started again at once. A message is a copy when
it was read to its end, whether or not nines lived to hear the answer.
"""

import collections
import contextlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kit.cluster import Cluster
from kit.daemon import Daemon, Failed, wait_for
from kit.proof import BAD, TOTAL, arguments, table
from kit.shop import Shop
from kit.stepwise import MAIL_STEPS, WEBHOOK_STEPS, Mail, Webhook

DELAYED = "0-1500 ms after the page"
STEPS = (DELAYED, *WEBHOOK_STEPS, *MAIL_STEPS)
COPIES_MAX = 2
PATIENCE_S = 90
# A killed process's lease ends after 10 s; nothing else of it may hold a message back.
LATE_MAX_S = 30
SLOS = {"version": "nines/v1", "service": "shop", "slos": [
    {"name": "availability", "objective": 99, "window": "1d", "indicator": {"total": TOTAL, "bad": BAD},
     "alerting": {"burn": [{"severity": "page", "long": "2m", "short": "1m", "factor": 5}], "no_data_for": "0s"}}]}

Result = collections.namedtuple("Result", "step kills copies most lost disorder latest problems")


class Killer:
    """Kills the daemon once, when its step comes; a moment later for steps after which nines goes on by itself."""

    def __init__(self, step, chance):
        self.step, self._chance = step, chance
        self.daemon, self._armed, self._lock = None, False, threading.Lock()
        self.killed = threading.Event()

    def arm(self):
        self.killed.clear()
        self._armed = True

    def on_step(self, step):
        if step != self.step:
            return
        with self._lock:
            if not self._armed:
                return
            self._armed = False
            if step == DELAYED:
                time.sleep(self._chance.uniform(0, 1.5))
            elif step in ("webhook answered", "mail after 250"):
                time.sleep(self._chance.choice((0, 0, 0.001, 0.005, 0.02)))
            self.daemon.kill9()
            self.killed.set()


class Round:
    def __init__(self, options, number, folder, storage_url):
        self.step, chance = STEPS[number % len(STEPS)], random.Random(f"{options.seed} {number}")
        self.killer = Killer(self.step, chance)
        self.hook, self.mail = Webhook(self.killer.on_step), Mail(self.killer.on_step)
        self.changed = False
        self.shop = Shop(self._scraped)
        self.nines = self.killer.daemon = Daemon(options.nines, folder, storage_url, self._config(), SLOS)
        self.told, self.slowest = [], 0.0

    def _config(self):
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [self.shop.address]}]}],
            "route": {"receiver": "oncall", "group_by": ["service", "slo"], "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{
                "name": "oncall", "webhook_configs": [{"url": self.hook.url, "send_resolved": True}],
                "email_configs": [{"to": "sre@example.org", "from": "nines@example.org", "require_tls": False,
                                   "smarthost": self.mail.address, "send_resolved": True}]}]}

    def _scraped(self, _counts):
        if self.changed:
            self.changed = False
            # The page must reach nines before it is killed.
            threading.Timer(0.02, self.killer.on_step, (DELAYED,)).start()

    def run(self):
        problems = []
        try:
            self.nines.start(wait=False)
            self.nines.wait_ready(60)
            wait_for("a baseline", lambda: self.nines.has_baseline("shop/availability"), 40)
            self.shop.burst(good=1000)
            wait_for("counted events", self._has_counted, 40)
            self._kill_between("firing", bad=5000)
            self._kill_between("resolved", good=1_000_000)
            wait_for("an outbox in which nothing is owed", self._all_delivered, 60)
        except Failed as failure:
            problems.append(f"{failure}\n{self.nines.tail(8)}")
        finally:
            self.close()
        return self._judge(problems)

    def _kill_between(self, says, **events):
        """Events that change the alert's state; nines is killed on its way to tell it, and starts again."""
        self.told.append(says)
        self.killer.arm()
        self.changed = True
        self.shop.burst(**events)
        if not self.killer.killed.wait(PATIENCE_S):
            raise Failed(f"{self.step}: the step was never reached ({says})")
        restarted_at = time.monotonic()
        self.nines.start(wait=False)
        self.nines.wait_ready(60)
        wait_for(f"{says} by webhook and mail", lambda: self.hook.said(says) and self.mail.said(says), PATIENCE_S)
        wait_for(f"no {says} owed any more", self._all_delivered, PATIENCE_S)
        self.slowest = max(self.slowest, time.monotonic() - restarted_at)

    def _has_counted(self):
        slo = self.nines.data("/api/v1/slos/shop/availability")
        return slo and slo["events"]["total"] >= 1000

    def _all_delivered(self):
        found = (self.nines.data("/api/v1/notifications") or {}).get("notifications")
        return found and all(one["state"] == "delivered" for one in found)

    def _judge(self, problems):
        copies, most, lost, disorder = 0, 0, 0, 0
        for name, sink in (("webhook", self.hook), ("mail", self.mail)):
            fired, resolved = sink.said("firing"), sink.said("resolved")
            for says, found in (("firing", fired), ("resolved", resolved)):
                lost += says in self.told and not found
                copies += len(found)
                most = max(most, len(found))
                if len({one.id for one in found}) > 1:
                    problems.append(f"{name}: {says} has several ids: {[one.id for one in found]}")
                if len(found) > COPIES_MAX:
                    problems.append(f"{name}: {len(found)} copies of {says}")
            disorder += bool(resolved) and not (fired and fired[-1].at <= resolved[0].at)
            strange = [one for one in sink.arrivals if one.says not in ("firing", "resolved")]
            problems += [f"{name}: a message about nothing that happened: {one}" for one in strange]
        return Result(self.step, len(self.told), copies, most, lost, disorder, self.slowest, problems)

    def close(self):
        if self.nines.process and self.nines.process.poll() is None:
            self.nines.kill9()
        self.shop.close()
        self.hook.close()
        self.mail.close()


def play(options, number, base, cluster):
    folder = os.path.join(base, f"round-{number}")
    os.makedirs(folder)
    url = cluster.create(f"round_{number}") if cluster else f"sqlite:{folder}/nines.db"
    return Round(options, number, folder, url).run()


def report(results):
    """One line per step; how many things are off."""
    rows = [("killed", "rounds", "kills", "messages", "copies", "most", "lost", "order", "slowest s", "off")]
    off = 0
    for step in STEPS:
        found = [result for result in results if result.step == step]
        if not found:
            continue
        lost, disorder = sum(one.lost for one in found), sum(one.disorder for one in found)
        wrong = lost + disorder + sum(len(one.problems) + (one.latest > LATE_MAX_S) for one in found)
        off += wrong
        rows.append((step, len(found), sum(one.kills for one in found), 2 * sum(one.kills for one in found),
                     sum(one.copies for one in found), max(one.most for one in found), lost, disorder,
                     f"{max(one.latest for one in found):.1f}", wrong))
    table(rows)
    for result in results:
        for problem in result.problems:
            print(f"{result.step}: {problem}")
    return off


def main():
    options = arguments(__doc__, rounds=40, lanes=4)
    print(f"storage {options.storage}, seed {options.seed}, {options.rounds} rounds, {options.lanes} at a time")
    base, started, cluster, off = tempfile.mkdtemp(prefix="nines-kill-"), time.monotonic(), None, 1
    os.chmod(base, 0o755)
    try:
        cluster = Cluster(base) if options.storage == "postgres" else None
        with ThreadPoolExecutor(options.lanes) as lanes:
            results = list(lanes.map(lambda number: play(options, number, base, cluster), range(options.rounds)))
        off = report(results)
    except Failed as failure:
        print(f"FAILED: {failure}")
    finally:
        with contextlib.suppress(Exception):
            if cluster:
                cluster.crash()
        if not options.keep:
            shutil.rmtree(base, ignore_errors=True)
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{off} off")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
