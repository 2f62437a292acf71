#!/usr/bin/env python3
"""How many pushed events a second nines counts: batches over a few connections, with a key per request or per event.

    push_load.py --nines target/release/nines [--storage-url sqlite:...] [--rate 50000] [--batch 500] [--seconds 20]
                 [--connections 4] [--keys request|event|none] [--format json|ndjson] [--cpu 0]

The daemon runs on one core (`--cpu`), the client elsewhere. Bodies are made before the clock starts. Prints what was asked and
answered, latencies, and the daemon's CPU time and peak memory; exits with 1 when the ledger shows another number.
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "proof"))
from kit.daemon import Daemon, wait_for  # noqa: E402

REGIONS = ["eu", "us", "ap"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--keys", choices=("request", "event", "none"), default="request")
    parser.add_argument("--format", choices=("json", "ndjson"), default="json")
    parser.add_argument("--cpu", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nines-push-") as folder:
        sys.exit(measure(options, folder))


def measure(options, folder):
    slos = {"version": "nines/v1", "service": "shop", "slos": [
        {"name": f"slo-{n}", "objective": 99, "window": "30d", "indicator": {"events": {}, "group_by": ["region"]}}
        for n in range(10)]}
    nines = Daemon(options.nines, folder, f"sqlite:{folder}/nines.db", {"global": {"evaluation_interval": "1s"}}, slos)
    nines.start()
    wait_for("a role", lambda: nines.role() == "active", 20)
    os.sched_setaffinity(nines.process.pid, {options.cpu})
    for task in os.listdir(f"/proc/{nines.process.pid}/task"):
        os.sched_setaffinity(int(task), {options.cpu})
    count = options.rate * options.seconds // options.batch
    bodies = [body(options, number) for number in range(count)]
    size = sum(len(text) for text, _ in bodies) // count
    took, failed, lock = [], [], threading.Lock()
    before, start, end = cpu(nines), time.monotonic() + 0.2, [0.0]

    def work(place):
        connection = http.client.HTTPConnection("127.0.0.1", nines.port, timeout=60)
        for number in range(place, count, options.connections):
            due = start + number * options.batch / options.rate
            time.sleep(max(0.0, due - time.monotonic()))
            text, headers = bodies[number]
            began = time.monotonic()
            connection.request("POST", "/api/v1/events", text, headers)
            answer = connection.getresponse()
            said = answer.read()
            with lock:
                took.append(time.monotonic() - max(began, due))
                end[0] = max(end[0], time.monotonic())
                if answer.status != 200:
                    failed.append((answer.status, said[:200]))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used, elapsed = cpu(nines) - before, end[0] - start
    with open(f"/proc/{nines.process.pid}/status", encoding="ascii") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(f"{elapsed:.1f} s, {used:.2f} s of CPU, p50 {sorted(took)[len(took) // 2] * 1000:.0f} ms", flush=True)
    counted, _ = nines.settled(60)
    total = sum(int(pair[0]) for name, pair in counted.items() if "{" not in name)
    nines.stop()
    took.sort()
    print(json.dumps({
        "keys": options.keys, "format": options.format, "batch": options.batch, "asked_per_s": options.rate,
        "answered_per_s": round(count * options.batch / elapsed), "bytes_a_request": size,
        "cpu_of_one_core": round(used / elapsed, 3), "peak_mb": round(int(peak) / 1024, 1),
        "p50_ms": round(took[len(took) // 2] * 1000, 1), "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        "failed": len(failed), "counted": total, "wanted": count * options.batch,
        "database_mb": round(os.path.getsize(f"{folder}/nines.db") / 1e6, 1)}))
    for status, said in failed[:3]:
        print(status, said)
    return total != count * options.batch or bool(failed)


def body(options, number):
    events = []
    for at in range(options.batch):
        place = number * options.batch + at
        event = {"slo": f"shop/slo-{place % 10}", "total": 1, "good": int(place % 50 != 0), "group": {"region": REGIONS[place % 3]}}
        if options.keys == "event":
            event["key"] = f"order-{place:012d}"
        events.append(event)
    headers = {"Idempotency-Key": f"batch-{number}"} if options.keys == "request" else {}
    if options.format == "ndjson":
        headers["Content-Type"] = "application/x-ndjson"
        return "\n".join(json.dumps(event, separators=(",", ":")) for event in events).encode(), headers
    headers["Content-Type"] = "application/json"
    return json.dumps({"events": events}, separators=(",", ":")).encode(), headers


def cpu(nines):
    with open(f"/proc/{nines.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
