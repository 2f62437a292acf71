#!/usr/bin/env python3
"""Cuts in a network of namespaces: those on our own side are no event of the service, those elsewhere are its fault.

    own_network.py --nines PATH [--keep]

Four namespaces, joined by veth pairs: nines - router - shop, and router - other. nines probes the shop every second by
HTTP, TCP and ICMP, and has the other one as `connectivity`. One thing after the other is cut and mended. A row for each
cut: the verdicts since it began, what a user reads. While our own side is cut no verdict may be bad; while the shop's
is, none but bad. In the end the SLO must hold exactly the good and bad verdicts, and its coverage must have fallen. Needs
root, `ip` and `curl`; touches nothing outside of its namespaces. Takes about five minutes.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from kit.daemon import Daemon, Failed, wait_for
from kit.proof import table

PREFIX = f"nines{os.getpid() % 10000}"
HOME, ROUTER, SHOP, OTHER = (f"{PREFIX}-{name}" for name in ("home", "router", "shop", "other"))
# Seconds that a cut lasts, and those until the first verdicts after it was made or mended.
CUT_S, SETTLE_S, LONG_CUT_S = 10, 4, 150
WEB = "import http.server as h;h.ThreadingHTTPServer(('',8080),h.SimpleHTTPRequestHandler).serve_forever()"
SAMPLE = re.compile(r'^nines_probes_total\{(.*)\} (\S+)$')
LABEL = re.compile(r'(\w+)="([^"]*)"')


def ip(*words, inside=None, check=True):
    command = ["ip", "netns", "exec", inside] if inside else []
    return subprocess.run([*command, *words], check=check, capture_output=True, text=True)


def join(one, other, number):
    """A veth pair between two namespaces: `up NUMBER` in the first, `down NUMBER` in the second."""
    ip("ip", "link", "add", f"up{number}", "netns", one, "type", "veth", "peer", "name", f"down{number}", "netns", other)
    for space, name, host in ((one, f"up{number}", 1), (other, f"down{number}", 2)):
        ip("ip", "address", "add", f"10.77.{number}.{host}/24", "dev", name, inside=space)
        ip("ip", "link", "set", name, "up", inside=space)
    ip("ip", "route", "add", "default", "via", f"10.77.{number}.1", inside=other)


def build(stack, folder):
    for space in (HOME, ROUTER, SHOP, OTHER):
        ip("ip", "netns", "add", space)
        stack.callback(ip, "ip", "netns", "delete", space, check=False)
        ip("ip", "link", "set", "lo", "up", inside=space)
    for number, space in ((1, HOME), (2, SHOP), (3, OTHER)):
        join(ROUTER, space, number)
    ip("sysctl", "-w", "net.ipv4.ip_forward=1", inside=ROUTER)
    for space in (SHOP, OTHER):
        server = subprocess.Popen(["ip", "netns", "exec", space, sys.executable, "-c", WEB], cwd=folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(server.wait)
        stack.callback(server.terminate)


class Inside(Daemon):
    """A daemon in a namespace."""

    def __init__(self, binary, folder, *rest):
        within = os.path.join(folder, "within")
        with open(within, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec ip netns exec {HOME} {os.path.abspath(binary)} "$@"\n')
        os.chmod(within, 0o755)
        super().__init__(within, folder, *rest)

    def get(self, path):
        url = f"http://127.0.0.1:{self.port}{path}"
        done = ip("curl", "-s", "-m", "5", "-w", "\n%{http_code}", url, inside=HOME, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def verdicts(self):
        """{(prober, verdict): number}"""
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            if match := SAMPLE.match(line):
                labels = dict(LABEL.findall(match.group(1)))
                key = (labels["prober"], labels["verdict"])
                found[key] = found.get(key, 0) + int(float(match.group(2)))
        return found


def link(space, name, state):
    return lambda: ip("ip", "link", "set", name, state, inside=space)


def router_forwards(word):
    return lambda: ip("sysctl", "-w", f"net.ipv4.ip_forward={word}", inside=ROUTER)


def default_route(word):
    return lambda: ip("ip", "route", word, "default", "via", "10.77.1.1", inside=HOME)


def home_again():
    link(HOME, "down1", "up")()
    ip("ip", "route", "replace", "default", "via", "10.77.1.1", inside=HOME)


# Sentence, how it is cut, how it is mended, the only verdict that may come.
CUTS = [
    ("nothing", lambda: None, lambda: None, "good"),
    ("our link, on our side", link(HOME, "down1", "down"), home_again, "unknown"),
    ("our link, on the router's side", link(ROUTER, "up1", "down"), link(ROUTER, "up1", "up"), "unknown"),
    ("our default route", default_route("delete"), default_route("add"), "unknown"),
    ("the router forwards nothing", router_forwards(0), router_forwards(1), "unknown"),
    ("the shop's link, on its side", link(SHOP, "down2", "down"),
     lambda: (link(SHOP, "down2", "up")(), ip("ip", "route", "replace", "default", "via", "10.77.2.1", inside=SHOP)), "bad"),
    ("the shop's link, on the router's side", link(ROUTER, "up2", "down"), link(ROUTER, "up2", "up"), "bad"),
    ("nothing any more", lambda: None, lambda: None, "good"),
]


def config():
    probe = lambda name, target: {"job_name": name, "module": name, "interval": "1s", "timeout": "900ms", "targets": [target]}
    plain = lambda prober: {"prober": prober, prober: {"preferred_ip_protocol": "ip4"}}
    return {
        "global": {"evaluation_interval": "2s"},
        "connectivity": ["10.77.3.2:8080"],
        "probe_modules": {"web": plain("http"), "port": plain("tcp"), "ping": plain("icmp")},
        "probes": [probe("web", "http://10.77.2.2:8080/"), probe("port", "10.77.2.2:8080"), probe("ping", "10.77.2.2")],
    }


def slos():
    return {"version": "nines/v1", "service": "shop", "slos": [
        {"name": name, "objective": 99, "window": "1h", "indicator": {"probe": name}} for name in ("web", "port", "ping")]}


def difference(after, before):
    return {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}


def shown(daemon):
    """What a user reads of the target of `web`."""
    for target in (daemon.data("/api/v1/targets") or {}).get("activeTargets", []):
        if target.get("labels", {}).get("job") == "web":
            return (target.get("probe") or {}).get("detail") or target.get("lastError") or ""
    return ""


def coverage(daemon):
    return {name: (daemon.data(f"/api/v1/slos/shop/{name}") or {}).get("coverage") or 0 for name in ("web", "port", "ping")}


def prove(options):
    folder = tempfile.mkdtemp(prefix="nines-own-network-")
    rows, off = [], 0
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        build(stack, folder)
        daemon = Inside(options.nines, folder, f"sqlite://{folder}/nines.db", config(), slos())
        daemon.start()
        stack.callback(daemon.stop)
        wait_for("verdicts", lambda: len(daemon.verdicts()) >= 3, 30)
        for sentence, cut, mend, wanted in CUTS:
            before = daemon.verdicts()
            cut()
            time.sleep(CUT_S)
            during, detail = difference(daemon.verdicts(), before), shown(daemon)
            mend()
            time.sleep(SETTLE_S)
            all_of_it = difference(daemon.verdicts(), before)
            # Good ones come just before a cut and after it; nothing else but what is wanted may.
            others = {verdict for _, verdict in all_of_it} - {wanted, "good"}
            missing = {prober for prober in ("http", "tcp", "icmp") if during.get((prober, wanted), 0) < CUT_S // 2}
            fine = not others and not missing
            off += not fine
            counts = " ".join(f"{prober} {verdict} {count}" for (prober, verdict), count in sorted(all_of_it.items()))
            rows.append((sentence, wanted, "ok" if fine else "OFF", counts, detail))
        before = coverage(daemon)
        link(ROUTER, "up1", "down")()
        time.sleep(LONG_CUT_S)
        after, shown_in = coverage(daemon), daemon.counted()[0]
        verdicts = daemon.verdicts()
        daemon.stop()
    for name, prober in (("web", "http"), ("port", "tcp"), ("ping", "icmp")):
        total, good = shown_in[f"shop/{name}"]
        said = verdicts[(prober, "good")], verdicts[(prober, "bad")]
        fine = (good, total - good) == said and after[name] - before[name] < 2 / 60
        off += not fine
        rows.append((f"SLO {name}: good and bad events {int(good)}, {int(total - good)}", f"{said[0]}, {said[1]}",
                     "ok" if fine else "OFF", f"coverage {before[name]:.4f}, after {LONG_CUT_S} s without a network {after[name]:.4f}", ""))
    table([("cut", "wanted", "", "verdicts", "what a user reads"), *rows])
    return off


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("own_network.py makes network namespaces: run it as root")
    try:
        off = prove(options)
    except Failed as failure:
        print(failure)
        return 1
    print(f"{off} off")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
