#!/usr/bin/env python3
"""Clients push events and try again with the same keys, while nines is killed again and again: counted == accepted.

    push.py --nines target/debug/nines [--storage sqlite|postgres] [--clients 8] [--seconds 30] [--kills 8] [--seed N] [--keep]

Each client sends requests one after the other, each until it is answered with 200: with `Idempotency-Key`, with a key for
each event, or with both. Some answers are not waited for, some requests are sent twice at once, some repeat an earlier one,
some hold an event that is wrong and must count nothing.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter

from kit.daemon import Daemon, wait_for
from kit.proof import arguments, run, show, table

REGIONS = ["eu", "us", "ap", ""]
SLOS = {
    "version": "nines/v1",
    "service": "shop",
    "slos": [
        {"name": "orders", "objective": 99, "window": "1d", "alerting": False,
         "indicator": {"events": {}, "group_by": ["region"]}},
        {"name": "mails", "objective": 99, "window": "1d", "alerting": False, "indicator": {"events": {}}},
    ],
}


class Client(threading.Thread):
    """One client with its own counts of what must have been counted."""

    def __init__(self, number, port, seed, until):
        super().__init__(daemon=True)
        self.number, self.port, self.until = number, port, until
        self.random = random.Random(seed * 1000 + number)
        self.counts, self.seen, self.earlier, self.sent = Counter(), Counter(), [], 0

    def run(self):
        while time.monotonic() < self.until():
            if self.random.random() < 0.1:
                self.send(*self.request(broken=True), wanted=400)
                continue
            if self.earlier and self.random.random() < 0.15:
                body, headers, events = self.random.choice(self.earlier)
                self.accept(self.send(body, headers, events), 0, len(events))
                continue
            body, headers, events = self.request()
            twice = self.random.random() < 0.1
            if twice:
                other = threading.Thread(target=self.send, args=(body, headers, events))
                other.start()
            answer = self.send(body, headers, events)
            if twice:
                other.join()
            self.accept(answer, None, len(events))
            for event in events:
                good = event["good"] if "good" in event else event["total"] - event["bad"]
                for name in names(event):
                    self.counts[name, "total"] += event["total"]
                    self.counts[name, "good"] += good
            self.earlier = (self.earlier + [(body, headers, events)])[-50:]

    def accept(self, data, accepted, events):
        if data["accepted"] + data["duplicates"] != events or accepted not in (None, data["accepted"]):
            self.seen["wrong answers"] += 1

    def request(self, broken=False):
        """A body, its headers, its events; keys of one client are its own."""
        self.sent += 1
        way = self.random.choice(["request", "events", "both"])
        events = []
        for at in range(self.random.choice([1, 3, 40])):
            total = self.random.randrange(1, 50)
            event = {"slo": self.random.choice(["shop/orders", "shop/mails"]), "total": total}
            event[self.random.choice(["good", "bad"])] = self.random.randrange(total + 1)
            if event["slo"] == "shop/orders" and self.random.random() < 0.9:
                event["group"] = {"region": self.random.choice(REGIONS)}
            if way != "request":
                event["key"] = f"c{self.number}-{self.sent}-{at}"
            events.append(event)
        if broken:
            self.random.choice(events)["slo"] = "shop/nothing"
        headers = {} if way == "events" else {"Idempotency-Key": f"c{self.number}-{self.sent}"}
        if self.random.random() < 0.5:
            body = "\n".join(json.dumps(event) for event in events)
            headers["Content-Type"] = "application/x-ndjson"
        else:
            body = json.dumps({"events": events})
            headers["Content-Type"] = "application/json"
        return body, headers, events

    def send(self, body, headers, events, wanted=200):
        """Until it is answered; the answer's data."""
        while True:
            try:
                # Some do not wait for the answer.
                patience = 0.002 if self.random.random() < 0.1 else 10
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
                connection.request("POST", "/api/v1/events", body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                connection.close()
                self.seen[answer.status] += 1
                if answer.status == wanted:
                    return json.loads(text).get("data", {})
                if answer.status not in (429, 503):
                    self.seen["refused"] += 1
                    print(f"client {self.number}: {answer.status} {text[:300]}")
                    return {"accepted": 0, "duplicates": len(events)}
            except (OSError, http.client.HTTPException):
                self.seen["lost"] += 1
            time.sleep(0.02)


def names(event):
    yield event["slo"]
    if event["slo"] == "shop/orders":
        yield 'shop/orders{region="%s"}' % event.get("group", {}).get("region", "")


def proof(bench):
    options = bench.options
    config = {"global": {"evaluation_interval": "1s"}}
    nines = Daemon(options.nines, bench.folder, bench.storage_url, config, SLOS)
    bench.daemons.append(nines)
    nines.start()
    wait_for("a role", lambda: nines.role() == "active", 20)
    until = time.monotonic() + options.seconds
    clients = [Client(number, nines.port, options.seed, lambda: until) for number in range(options.clients)]
    for client in clients:
        client.start()
    for _ in range(options.kills):
        time.sleep(options.seconds / (options.kills + 1) * bench.random.uniform(0.5, 1.2))
        nines.kill9()
        nines.start(wait=False)
    for client in clients:
        client.join(options.seconds + 120)
    stuck = sum(client.is_alive() for client in clients)
    counted, discrepancy = nines.settled(60)
    wanted, seen = Counter(), Counter()
    for client in clients:
        wanted.update(client.counts)
        seen.update(client.seen)
    rows, off = [("slo", "accepted", "counted", "off")], 0
    for name, word in sorted(wanted):
        value = counted.get(name, (None, None))[0 if word == "total" else 1]
        wrong = value != wanted[name, word]
        off += wrong
        rows.append((f"{name} {word}", wanted[name, word], show(value), "OFF" if wrong else "0"))
    table(rows)
    print(f"double entry: discrepancy {show(discrepancy)}; {options.kills} kills; answers: "
          + ", ".join(f"{number} x {what}" for what, number in sorted(seen.items(), key=str)))
    return off + (discrepancy != 0) + stuck + seen["wrong answers"] + seen["refused"]


if __name__ == "__main__":
    sys.exit(run(arguments(__doc__, clients=8, seconds=30, kills=8), proof))
