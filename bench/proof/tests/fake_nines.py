#!/usr/bin/env python3
"""A stand-in for nines that knows just enough to prove the proofs: it scrapes, counts, commits, logs its visits.

    exactness.py --nines bench/proof/tests/fake_nines.py            must end with `0 off`
    FAKE_FAULT=double|drop|zero exactness.py --nines …              must not

`double` replays a commit after a start, `drop` loses one, `zero` counts a baseline from zero.
"""

import argparse
import fcntl
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.request
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from kit.selector import OPERATORS, Slo  # noqa: E402
from oracle import Cursor  # noqa: E402  (a stand-in may share its rules with the oracle: only the frame is proved here)

FAULT = os.environ.get("FAKE_FAULT", "")


class Fake:
    def __init__(self, options):
        self.options, self.active, self.stopping = options, False, False
        with open(options.config, encoding="utf-8") as file:
            self.config = json.load(file)
        with open(os.path.join(os.path.dirname(options.config), "slos", "proof.yaml"), encoding="utf-8") as file:
            document = json.load(file)
        service = document["service"]
        self.slos = [Slo({"id": f"{service}/{slo['name']}", **slo["indicator"]}) for slo in document["slos"]]
        self.path = os.path.join(os.path.dirname(options.config), "fake.json")
        self.state = {"counts": {}, "targets": {}}

    def targets(self):
        for job in self.config["scrape_configs"]:
            for found in job.get("static_configs", []):
                yield from ((job["job_name"], target) for target in found["targets"])
            for found in job.get("file_sd_configs", []):
                for path in found["files"]:
                    with open(path, encoding="utf-8") as file:
                        groups = json.load(file)
                    yield from ((job["job_name"], target) for group in groups for target in group["targets"])

    def load(self):
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.state = json.load(file)

    def run(self):
        lock = open(self.path + ".lock", "w", encoding="utf-8")
        while not self.stopping:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.2)
        self.load()
        self.state["epoch"] = self.state.get("epoch", 0) + 1
        self.log({"kind": "cursor", "target": f"{known['job']} {url}", "seq": known["seq"]}
                 for url, known in self.state["targets"].items())
        for slo in self.slos:
            slo.loaded_at_ms = self.state.setdefault("loaded_at_ms", int(time.time() * 1000))
        self.active = True
        waiting, since = {}, time.monotonic()
        while not self.stopping:
            time.sleep(1)
            for job, address in set(self.targets()):
                url = f"http://{address}/metrics"
                try:
                    with urllib.request.urlopen(url, timeout=1) as answer:
                        waiting.setdefault((job, url), []).append((int(time.time() * 1000), answer.read().decode()))
                except (OSError, HTTPException):
                    continue
            if time.monotonic() - since >= 3:
                self.commit(waiting)
                waiting, since = {}, time.monotonic()
        self.commit(waiting)

    def commit(self, waiting):
        state, lines = json.loads(json.dumps(self.state)), []
        for (job, url), visits in waiting.items():
            known = state["targets"].setdefault(url, {"job": job, "seq": 0, "slos": {}})
            pages = [(at, *parse(text, {metric for slo in self.slos for metric in (slo.total[0], slo.part[0])})) for at, text in visits]
            for slo in (slo for slo in self.slos if wants(slo, job)):
                self.count(state, slo, known, pages)
            known["seq"] += 1
            found = [{"at_ms": at, "samples": values} for at, values, _ in pages]
            lines.append({"job": job, "url": url, "seq": known["seq"], "visits": found})
        self.log({"kind": "begin", **line} for line in lines)
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(self.path + ".new", self.path)
        self.state = state
        time.sleep(random.uniform(0, 0.2))
        self.log({"kind": "commit", **line} for line in lines)

    def log(self, lines):
        with open(self.options.visits, "a", encoding="utf-8") as file:
            file.writelines(json.dumps({"epoch": self.state["epoch"], **line}, separators=(",", ":")) + "\n"
                            for line in lines)

    def count(self, state, slo, known, pages):
        cursor = Cursor(slo)
        body = known["slos"].setdefault(slo.id, {"last": {}, "start": None, "known": False})
        cursor.last, cursor.start, cursor.known = dict(body["last"]), body["start"], body["known"]
        if FAULT == "zero":
            cursor.known = True
        for at, values, start in pages:
            times = 2 if FAULT == "double" and random.random() < 0.05 else 1
            times = 0 if FAULT == "drop" and random.random() < 0.05 else times
            for key, credit in cursor.visit(slo.chosen({"values": values}), start, at)[0].items():
                is_total, is_part, group = slo.roles(key)
                ids = [slo.id]
                if slo.group_by:
                    pairs = ",".join(f'{label}="{value}"' for label, value in zip(slo.group_by, group))
                    ids.append(slo.id + "{" + pairs + "}")
                for name in ids:
                    counts = state["counts"].setdefault(name, [0, 0])
                    counts[0] += times * credit * is_total
                    counts[1] += times * credit * (is_total - is_part if slo.part_is_bad else is_part)
        known["slos"][slo.id] = {"last": cursor.last, "start": cursor.start, "known": cursor.known}

    def metrics(self):
        self.active or self.load()
        lines = ["nines_ledger_discrepancy_events 0"]
        for slo, (total, good) in self.state["counts"].items():
            labels = 'service="shop",slo="x",slo_id="' + slo.replace('"', '\\"') + '"'
            lines += [f"nines_slo_events_total{{{labels}}} {total}", f"nines_slo_good_events_total{{{labels}}} {good}"]
        return "\n".join(lines) + "\n"


def wants(slo, job):
    return all(OPERATORS[operator](job, value) for label, operator, value in slo.total[1] if label == "job")


def parse(text, metrics):
    values, start = {}, None
    for line in text.splitlines():
        key, _, value = line.rpartition(" ")
        if key == "process_start_time_seconds":
            start = float(value)
        elif key.split("{")[0] in metrics:
            values[key] = int(float(value))
    return values, start


def serve(fake):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            role = json.dumps({"status": "success", "data": {"role": "active" if fake.active else "standby"}})
            body = {"/metrics": fake.metrics(), "/api/v1/status/runtimeinfo": role}.get(self.path, "ok").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(fake.options.listen.split(":")[1])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    for flag, name in (("config.file", "config"), ("storage.url", "storage"), ("web.listen-address", "listen"),
                       ("debug.visit-log", "visits")):
        parser.add_argument(f"--{flag}", dest=name)
    fake = Fake(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: setattr(fake, "stopping", True))
    serve(fake)
    fake.run()


if __name__ == "__main__":
    main()
