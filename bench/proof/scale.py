#!/usr/bin/env python3
"""Exactness at scale: 200 targets of 1,000 series, 50 SLOs; resets, restarts, deploys, bad answers, kills, outages of the store.

    scale.py --nines target/release/nines [--storage sqlite|postgres] [--minutes 10] [--targets 200] [--seed N] [--keep]

The oracle replays what nines committed; the counted sums must be the same, to the event.
"""

import json
import os
import sqlite3
import sys
import time

from exactness import committed, progress, said
from kit.daemon import Daemon, wait_for
from kit.fleet import BOUNDS, CODES, METHODS, QUEUES, ROUTES, Fleet
from kit.proof import arguments, compare, run
from kit.target import PageLog

# So many targets are scraped every second, the others every four.
FAST_SHARE = 0.2
# A debug build on a machine that has other work, too, needs a while.
PATIENCE_S = 300


def slos():
    """50 SLOs: by route, method, code, queue and tenant; good, bad and latency; seven of them by group."""
    found = []

    def slo(name, group_by=None, **indicator):
        if group_by:
            indicator["group_by"] = group_by
        found.append({"name": name, "objective": 99, "window": "1d", "indicator": indicator})

    def requests(*matchers):
        return "http_requests_total{" + ",".join(('job=~"fast|slow"', *matchers)) + "}"

    bad = 'code=~"5.."'
    slo("requests", total=requests(), bad=requests(bad))
    slo("requests-good", total=requests(), good=requests('code!~"5.."'))
    slo("by-code", ["code"], total=requests(), bad=requests(bad))
    slo("by-route", ["route"], total=requests(), bad=requests(bad))
    slo("by-method-code", ["method", "code"], total=requests(), good=requests('code="200"'))
    for at, route in enumerate(ROUTES):
        of_route = f'route="{route}"'
        slo(f"route-{at}", total=requests(of_route), bad=requests(of_route, bad))
        for method in METHODS:
            both = (of_route, f'method="{method}"')
            slo(f"route-{at}-{method}", total=requests(*both), bad=requests(*both, bad))
            slo(f"route-{at}-{method}-good", total=requests(*both), good=requests(*both, 'code="200"'))
    for at, route in enumerate(ROUTES[:2]):
        series = f'http_request_duration_seconds{{route="{route}"}}'
        for bound in BOUNDS[:-1]:
            slo(f"latency-{at}-{bound}", latency=series, threshold=f"{bound}s")
        slo(f"buckets-{at}", total=f'http_request_duration_seconds_count{{route="{route}"}}',
            good=f'http_request_duration_seconds_bucket{{route="{route}",le="0.3"}}')
    slo("latency-by-route", ["route"], latency="http_request_duration_seconds", threshold="0.3s")
    for code in CODES:
        slo(f"requests-{code}", total=requests(), bad=requests(f'code="{code}"'))
    slo("jobs", total="jobs_processed_total", bad='jobs_processed_total{result="failed",queue=~"mail|bill"}')
    slo("jobs-by-queue", ["queue"], total="jobs_processed_total", bad='jobs_processed_total{result="failed"}')
    for queue in QUEUES:
        slo(f"jobs-{queue}", total=f'jobs_processed_total{{queue="{queue}"}}',
            good=f'jobs_processed_total{{queue="{queue}",result="done"}}')
    slo("by-tenant", ["tenant"], total="tenant_requests_total", bad='tenant_requests_total{code="500"}')
    slo("by-tenant-code", ["tenant", "code"], total='tenant_requests_total{tenant=~"t[0-2].*"}',
        bad='tenant_requests_total{tenant=~"t[0-2].*",code!="200"}')
    for code in CODES:
        slo(f"tenants-{code}", total="tenant_requests_total", bad=f'tenant_requests_total{{code="{code}"}}')
    for digit in range(5):
        slo(f"tenants-of-{digit}", total=f'tenant_requests_total{{tenant=~"t.[{digit}{digit + 5}]"}}',
            bad=f'tenant_requests_total{{tenant=~"t.[{digit}{digit + 5}]",code="500"}}')
    return {"version": "nines/v1", "service": "shop", "slos": found}


class Listing:
    """The targets that file discovery finds: fast and slow ones, and the replacing of some."""

    def __init__(self, bench, fleet, count):
        self.fleet, self.chance, self.replaced, self.ended = fleet, bench.random, 0, []
        self.paths = {job: os.path.join(bench.folder, f"{job}.json") for job in ("fast", "slow")}
        fast = round(count * FAST_SHARE)
        self.members = {"fast": [fleet.launch(3600.0) for _ in range(fast)],
                        "slow": [fleet.launch(3600.0) for _ in range(count - fast)]}
        for job in self.paths:
            self.write(job)

    def all(self):
        return [member for members in self.members.values() for member in members]

    def replace(self, job):
        """Some targets give way to new ones, with a drain or at once."""
        members = self.members[job]
        for place in self.chance.sample(range(len(members)), max(1, len(members) // 10)):
            old, members[place] = members[place], self.fleet.launch(0.0)
            self.ended.append((job, old))
            self.replaced += 1
            if self.chance.random() < 0.5:
                self.write(job, [old])
                time.sleep(1.5)
            self.write(job)
            self.fleet.retire(old)

    def list_ended(self):
        """Lists also those that are gone: whoever starts then reads what became of their last commits."""
        for job in self.paths:
            self.write(job, [member for of_job, member in self.ended if of_job == job])

    def write(self, job, more=()):
        path = self.paths[job]
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump([{"targets": [member.address for member in (*self.members[job], *more)]}], file)
        os.replace(path + ".new", path)


def proof(bench):
    options = bench.options
    wanted = slos()
    log = PageLog(bench.pages)
    fleet = Fleet(log, options.seed)
    listing = Listing(bench, fleet, options.targets)
    bench.loaded_at_ms = int(time.time() * 1000)
    nines = Daemon(options.nines, bench.folder, bench.storage_url, config(listing.paths), wanted)
    bench.daemons.append(nines)
    nines.start()
    urls = {member.url for member in listing.all()}
    wait_for("a baseline of every target", lambda: committed(nines) >= urls, PATIENCE_S, 1)

    happened = trouble(bench, nines, listing, options.minutes * 60)
    wait_for("another commit of every target", progress(nines, listing.all()), PATIENCE_S, 0.5)

    for member in listing.all():
        fleet.refuse(member)
    time.sleep(5)
    for member in listing.all():
        log.write(member.record("end", time.time())[2])
    status = nines.stop()
    listing.list_ended()
    members = [*listing.all(), *(member for _, member in listing.ended)]
    all_read = said(nines, '"kind":"cursor"', [member.url for member in members])
    nines.start()
    wait_for("the cursor of every target", all_read, PATIENCE_S, 0.5)
    counted, discrepancy = nines.settled(PATIENCE_S)
    log.close()

    print(", ".join(f"{number} {what}" for what, number in happened.items())
          + f"; {listing.replaced} targets replaced, {sum(member.restarts for member in members)} restarts, "
          f"{sum(member.resets for member in members)} counters reset alone")
    print(f"{fleet.served} pages served, of which {fleet.bad['cut']} cut; {fleet.bad['hang']} answers hung, "
          f"{fleet.bad['status']} were 500")
    verdict = bench.verdict(wanted)
    print(f"{len(wanted['slos'])} SLOs, with their groups {len(verdict['slos'])} sums")
    off = compare(verdict, counted, discrepancy, groups=False)
    if status != 0:
        print(f"SIGTERM ended nines with status {status}")
        off += 1
    return off


def config(paths):
    jobs = [{"job_name": job, "scrape_interval": interval,
             "file_sd_configs": [{"files": [paths[job]], "refresh_interval": "1s"}]}
            for job, interval in (("fast", "1s"), ("slow", "4s"))]
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "3s"},
            "scrape_configs": jobs}


def trouble(bench, nines, listing, seconds):
    """What goes wrong until the time is over; how often each did."""
    chance, until = bench.random, time.monotonic() + seconds
    happened = {"kills": 0, "deploys": 0, "outages of the store": 0}
    longest = min(1.0, seconds / 300)
    after = {"kills": (20, 60), "deploys": (15, 40), "outages of the store": (30, 80)}
    due = {what: time.monotonic() + chance.uniform(*span) * longest for what, span in after.items()}
    while time.monotonic() < until:
        time.sleep(0.2)
        for what in [what for what, at in due.items() if time.monotonic() >= at]:
            if what == "kills":
                kill(bench, nines)
            elif what == "deploys":
                listing.replace(chance.choice(("fast", "slow")))
            else:
                outage(bench)
                nines.wait_ready(PATIENCE_S)
            happened[what] += 1
            due[what] = time.monotonic() + chance.uniform(*after[what]) * longest
    return happened


def kill(bench, nines):
    nines.kill9()
    time.sleep(bench.random.uniform(0, 3))
    nines.start(wait=False)
    nines.wait_ready(PATIENCE_S)


def outage(bench):
    """SQLite: somebody else holds the lock. Postgres: it stops, it stands still, or it cuts all connections."""
    seconds = bench.random.uniform(2, 12)
    if not bench.cluster:
        holder = sqlite3.connect(os.path.join(bench.folder, "nines.db"), timeout=30, isolation_level=None)
        holder.execute("begin immediate")
        time.sleep(seconds)
        holder.execute("rollback")
        holder.close()
        return
    way = bench.random.choice(("stop", "crash", "stand still", "cut"))
    if way == "cut":
        bench.cluster.cut()
    elif way == "stand still":
        with bench.cluster.standing_still():
            time.sleep(seconds)
    else:
        (bench.cluster.stop if way == "stop" else bench.cluster.crash)()
        time.sleep(seconds)
        bench.cluster.start()


if __name__ == "__main__":
    given = arguments(__doc__, minutes=10.0, targets=200)
    sys.exit(run(given, proof))
