"""What the comparisons share: processes that end with their run, what they cost by /proc, and tables."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024


class Failed(Exception):
    """A comparison that could not be carried out, and why."""


class Process:
    """A child with a log of its own; `cpus` pins it to processors, as taskset does."""

    def __init__(self, name, command, folder, cpus=None, stdin=None, **more):
        self.name, self.log = name, os.path.join(folder, f"{name}.log")
        if cpus is not None:
            command = ["taskset", "-c", cpus, *command]
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(command, stdout=more.pop("stdout", log), stderr=log, stdin=stdin, **more)
        self.pid, self.stdout = self._child.pid, self._child.stdout

    def cpu(self):
        """(user, system) seconds that it has used, its threads and its dead children's included."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def memory(self):
        """{field: KiB} of its resident memory: VmHWM is the most there ever was."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as file:
            found = re.findall(r"^(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+) kB", file.read(), re.M)
        return {field: int(value) for field, value in found}

    def alive(self):
        return self._child.poll() is None

    def tail(self, lines=10):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def stop(self, seconds=20):
        """SIGTERM, and SIGKILL when that does not help; only ever this very process."""
        if self._child.stdin:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        if self.alive():
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()


def farm_binary(given=None):
    """The load generator's binary; built when none is given. Its build has a folder of its own."""
    if given:
        return os.path.abspath(given)
    manifest = os.path.join(HERE, "farm", "Cargo.toml")
    cargo = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    built = os.path.join(HERE, "farm", "target")
    say("building the load generator (bench/farm) …")
    done = subprocess.run([cargo, "build", "--release", "--quiet", "--locked", "--manifest-path", manifest,
                           "--target-dir", built], check=False)
    if done.returncode:
        raise Failed("bench/farm does not build; give its binary with --farm")
    return os.path.join(built, "release", "farm")


def start_farm(binary, folder, *arguments, cpus=None):
    """A farm that is ready to be asked."""
    farm = Process("farm", [binary, *map(str, arguments)], folder, cpus=cpus, stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE)
    if farm.stdout.readline().strip() != b"ready":
        raise Failed(f"the farm did not start:\n{farm.tail()}")
    return farm


def fetch(port, path, timeout=20):
    """The body of an answer from loopback."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read().decode()


def metric(text, name):
    """The sum over all series of one metric on a page."""
    values = re.findall(rf"^{re.escape(name)}(?:\{{[^\n]*\}})? (\S+)", text, re.M)
    return sum(map(float, values)) if values else None


def wait_until(what, probe, seconds):
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError):
            if probe():
                return
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine():
    """One line about where this was measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} x {model.group(1) if model else 'unknown'}, load {load}"


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), flush=True)


def say(text):
    print(text, file=sys.stderr, flush=True)
