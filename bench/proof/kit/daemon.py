"""The daemon under proof: its folder, its process and what it shows."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from fractions import Fraction

SAMPLE = re.compile(r'^(nines_[a-z_]+)\{(.*)\} (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Failed(Exception):
    """A proof that could not be carried out, and why."""


def wait_for(what, probe, seconds, every=0.1):
    """The first true answer of `probe`; fails after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """One `nines serve` with a folder of its own; JSON is YAML, so files are written as JSON."""

    def __init__(self, binary, folder, storage_url, config, slos, name="nines"):
        self.folder, self.storage_url, self.name = folder, storage_url, name
        self.visits = os.path.join(folder, f"{name}.visits.jsonl")
        self.log = os.path.join(folder, f"{name}.log")
        self.port = free_port()
        self.process = None
        self._binary = os.path.abspath(binary)
        self._config = os.path.join(folder, f"{name}.yml")
        os.makedirs(os.path.join(folder, "slos"), exist_ok=True)
        self.write(self._config, dict(config, slo_files=["slos/*.yaml"]))
        self.write(os.path.join(folder, "slos", "proof.yaml"), slos)

    def write(self, path, document):
        """Whole or not at all, as file discovery and reload expect."""
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        os.replace(path + ".new", path)

    def start(self, wait=True):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NINES_")}
        command = [self._binary, "serve", f"--config.file={self._config}", f"--storage.url={self.storage_url}",
                   f"--web.listen-address=127.0.0.1:{self.port}", f"--debug.visit-log={self.visits}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=clean)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        wait_for("ready", self.ready, seconds)

    def ready(self):
        if self.process.poll() is not None:
            raise Failed(f"nines ended with status {self.process.returncode}:\n{self.tail()}")
        return self.get("/-/ready")[0] == 200

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failed("SIGTERM did not end nines within 20 s") from None

    def get(self, path):
        """(status, body); status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError:
            return 0, ""

    def data(self, path):
        """The `data` of an API answer; `None` when there is none."""
        status, body = self.get(path)
        return json.loads(body)["data"] if status == 200 else None

    def role(self):
        return (self.data("/api/v1/status/runtimeinfo") or {}).get("role")

    def has_baseline(self, slo_id):
        """Whether a visit has been committed for that SLO: what happens from now on is counted."""
        slo = self.data(f"/api/v1/slos/{slo_id}")
        return bool(slo and slo["coverage"])

    def counted(self):
        """{SLO id: (total, good)} from /metrics, exactly as written; and the ledger's discrepancy."""
        counts, discrepancy = {}, None
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("nines_ledger_discrepancy_events"):
                discrepancy = Fraction(line.split()[-1])
            found = SAMPLE.match(line)
            if found and found.group(1) in ("nines_slo_events_total", "nines_slo_good_events_total"):
                labels = dict(LABEL.findall(found.group(2)))
                slo = re.sub(r"\\(.)", r"\1", labels["slo_id"])
                counts.setdefault(slo, {})[found.group(1)] = Fraction(found.group(3))
        pairs = {slo: (found.get("nines_slo_events_total"), found.get("nines_slo_good_events_total"))
                 for slo, found in counts.items()}
        return pairs, discrepancy

    def settled(self, seconds=30):
        """What it has counted, once two looks two seconds apart agree."""
        before = []

        def same():
            before.append(self.counted()[0])
            time.sleep(2)
            return bool(before[-1]) and self.counted()[0] == before[-1]

        wait_for("counts that do not change any more", same, seconds)
        wait_for("a proof of the books", lambda: self.counted()[1] is not None, 150)
        return self.counted()

    def tail(self, lines=15):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])
