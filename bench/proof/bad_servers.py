#!/usr/bin/env python3
"""A server that for a while answers badly: what nines shows, that it passes over nothing, and that nothing is lost after.

    bad_servers.py --nines PATH [--only FAULT,…] [--seed N] [--keep]

One real Prometheus with six hours of history that go on into the future, and for each fault a proxy and a nines of its
own; one more nines asks without a fault. The proxies answer badly from the start, then well until the whole windows are
read, then badly for 100 s, in which one SLO's past is read again by hand, then well. Checked for each fault:

- the reason is shown, by /api/v1/backfills and as D007 of the SLO;
- `read_until` and what is missing stand still while the answers are bad, and counts do not change. Of `empty` answers
  they need not: they say that there was nothing;
- once answers are good again, counts of selectors and of functions that nines understands are exactly those of the
  arithmetic up to `read_until`, and computed ones are those of the nines without a fault.

Exits 1 when something is off.
"""

import argparse
import bisect
import gzip
import http.client
import http.server
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from datetime import datetime

from history import HOUR, Prometheus, Series, Target, Truth, ask
from kit.daemon import Daemon, Failed
from kit.proof import table

INTERVAL_S, BACK_S, AHEAD_S = 15, 6 * HOUR, 30 * 60
AT_START_S, LATER_S, TIMEOUT_S = 15, 100, 2
# Seconds after which the questions that were under way have ended.
UNDER_WAY_S = 4
# Empty answers move everything on; late data are looked for with the next two questions.
LOOKED_AGAIN_S = 130
JUDGED_WITHIN_S = 150
SLOS = ("selectors", "functions", "computed")


def error(status, kind, words, headers=()):
    body = json.dumps({"status": "error", "errorType": kind, "error": words}).encode()
    return lambda proxied: proxied.answer(status, body, headers)


def html(proxied):
    proxied.answer(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", [("Content-Type", "text/html")])


def half(proxied):
    body = proxied.ask()[1]
    proxied.head(200, len(body), [])
    proxied.wfile.write(body[:len(body) // 2])
    proxied.close_connection = True


def bad_gzip(proxied):
    body = bytearray(gzip.compress(proxied.ask()[1]))
    body[len(body) // 2:] = bytes(255 - byte for byte in body[len(body) // 2:])
    proxied.answer(200, bytes(body), [("Content-Encoding", "gzip")])


def query_of(proxied):
    return urllib.parse.parse_qs(proxied.question.decode()).get("query", [""])[0]


def nothing(proxied, of_type):
    body = json.dumps({"status": "success", "data": {"resultType": of_type, "result": []}})
    proxied.answer(200, body.encode())


def empty(proxied):
    is_range = proxied.path.endswith("query_range") or query_of(proxied).endswith("]")
    nothing(proxied, "matrix" if is_range else "vector")


def another_type(proxied):
    nothing(proxied, "string")


def other_series(proxied):
    """Series of another job, as by a proxy that mixes tenants up."""
    answer = json.loads(proxied.ask()[1])
    if not query_of(proxied).endswith("]") or not answer["data"]["result"]:
        return nothing(proxied, "string")
    for series in answer["data"]["result"]:
        series["metric"]["job"] = "elsewhere"
    proxied.answer(200, json.dumps(answer).encode())


def partial(proxied):
    """A part of the series, and a warning that says so."""
    answer = json.loads(proxied.ask()[1])
    answer["data"]["result"] = answer["data"]["result"][:1]
    answer["warnings"] = ["fetch series from store-2: connection refused"]
    proxied.answer(200, json.dumps(answer).encode())


def refuse_once(proxied):
    """Raw samples are refused once for each query, as by a proxy that is about to be ready; all else is answered."""
    query = query_of(proxied)
    if query.endswith("]") and query not in proxied.refused:
        proxied.refused.add(query)
        html(proxied)
    else:
        proxied.answer(*proxied.ask())


def slow(proxied):
    time.sleep(TIMEOUT_S * 2)
    proxied.close_connection = True


def hang_up(proxied):
    proxied.close_connection = True


# Each fault with what must be said of it.
FAULTS = {
    "422, too many samples": (error(422, "execution", "query processing would load too many samples into memory in "
                                    "query execution"), r"more than it may give.*too many samples"),
    "422": (error(422, "execution", "found duplicate series for the match group"), r"\b422\b.*duplicate series"),
    "503": (error(503, "unavailable", "the ring is empty"), r"\b503\b.*ring is empty"),
    "429, Retry-After": (error(429, "too_many_requests", "slow down", [("Retry-After", "3")]), r"\b429\b.*slow down"),
    "400": (error(400, "bad_data", "parse error: unexpected character"), r"\b400\b.*parse error"),
    "401": (error(401, "unauthorized", "no such tenant"), r"\b401\b.*authorization"),
    "HTML, 200": (html, r"HTML|page|JSON"),
    "half a body": (half, r"ended|body|early"),
    "bad gzip": (bad_gzip, r"gzip|unpack|decod|body"),
    "empty, 200": (empty, None),
    "another type, 200": (another_type, r"another question.*string"),
    "other series, 200": (other_series, r"another question.*(is none of|string)"),
    "partial, 200": (partial, r"store-2"),
    "slow": (slow, r"`timeout` \(2 s\)"),
    "hangs up": (hang_up, r"connection|closed|ended"),
    "HTML, once a query": (refuse_once, None),
    "any, half the time": (None, r"."),
    "none": (None, None),
}
SOME = [fault for fault, _ in FAULTS.values() if fault not in (None, empty, refuse_once)]


class Proxy:
    """Stands before the server; answers badly while `is_bad`."""

    def __init__(self, upstream_port, fault, rng):
        proxy = self
        self.is_bad, self.bad_answers = False, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            refused = set()

            def do_POST(self):
                self.question = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                # Without a fault of its own it is any, half the time; never where it has no dice.
                how = fault or (rng.choice([*SOME, *[None] * len(SOME)]) if rng else None)
                try:
                    if proxy.is_bad and how:
                        proxy.bad_answers += 1
                        how(self)
                    else:
                        self.answer(*self.ask())
                except OSError:
                    self.close_connection = True

            do_GET = do_POST

            def ask(self):
                connection = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=60)
                kind = self.headers.get("Content-Type", "application/x-www-form-urlencoded")
                connection.request(self.command, self.path, self.question, {"Content-Type": kind})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                return answer.status, body

            def answer(self, status, body, headers=()):
                self.head(status, len(body), headers)
                self.wfile.write(body)

            def head(self, status, length, headers):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class World:
    """What the counters show at every time, and what must have been counted until then."""

    def __init__(self, rng, now, out):
        begin, end = now - BACK_S, now + AHEAD_S
        truth, samples, self.times, self.sums = Truth(), {}, [], []
        targets = [Target(rng, "shop", f"shop-{copy}:80", INTERVAL_S, begin, begin - 240 * HOUR, 2, ("200", "500"))
                   for copy in range(3)]
        restarts = {index: now - back for index, back in enumerate((4 * HOUR, 100 * 60, 25 * 60))}
        gap = (now - 2 * HOUR, now - 2 * HOUR + 7 * 60)
        for at in range(begin, end, INTERVAL_S):
            for index, target in enumerate(targets):
                target.errors = 0.05
                target.live(INTERVAL_S)
                if at - INTERVAL_S < restarts[index] <= at:
                    target.restart(at - 1)
                    target.live(1)
                if gap[0] <= at < gap[1]:
                    continue
                truth.scrape("shop", target, at, True)
                shown = [(series.text(), series.value) for series in target.codes.values()]
                shown += [(Series(name, target.base).text(), value)
                          for name, value in (("up", 1), ("process_start_time_seconds", target.restarted))]
                for text, value in shown:
                    samples.setdefault(text, []).append((at, value))
            sums = truth.sums.get("shop", {"total": 0, "bad": 0})
            self.times.append(at)
            self.sums.append((sums["total"], sums["bad"]))
        self._write(samples, out)

    def at(self, until):
        """(total, bad) of all samples up to then."""
        index = bisect.bisect_right(self.times, until)
        return self.sums[index - 1] if index else (0, 0)

    @staticmethod
    def _write(samples, out):
        families = {}
        for text, points in samples.items():
            families.setdefault(text.split("{")[0], []).append((text, points))
        with open(out, "w", encoding="utf-8") as file:
            for name, series in sorted(families.items()):
                file.write(f"# TYPE {name} unknown\n")
                for text, points in series:
                    file.writelines(f"{text} {value} {at}\n" for at, value in points)
            file.write("# EOF\n")


class Case:
    """One fault, its proxy and its nines."""

    def __init__(self, name, options, folder, upstream_port, rng):
        self.name, (fault, self.words) = name, FAULTS[name]
        # Some of its answers are good.
        self.is_mixed, self.is_empty = fault in (None, refuse_once) and name != "none", fault is empty
        self.proxy = Proxy(upstream_port, fault, rng if self.is_mixed and not fault else None)
        home = os.path.join(folder, re.sub(r"\W+", "-", name))
        os.makedirs(home)
        config = {"global": {"evaluation_interval": "2s"},
                  "prometheus_servers": [{"name": "main", "url": self.proxy.url, "timeout": f"{TIMEOUT_S}s",
                                          "queries_per_second": 1000}]}
        self.daemon = Daemon(options.nines, home, f"sqlite:{home}/nines.db", config,
                             {"version": "nines/v1", "service": "bad", "slos": slos()}, name)
        self.problems, self.shown, self.diagnosed, self.settled_s = [], [], False, None

    def reads(self):
        """{SLO: how far it was read}."""
        listed = (self.daemon.data("/api/v1/backfills") or {"backfills": []})["backfills"]
        return {one["slo"].split("/")[-1]: one["backfill"] for one in listed}

    def look(self):
        """Notes what is shown now."""
        for read in self.reads().values():
            if read["error"] and read["error"] not in self.shown:
                self.shown.append(read["error"])
        slo = self.daemon.data("/api/v1/slos/bad/selectors")
        self.diagnosed |= bool(slo) and any(one["code"] == "D007" for one in slo["diagnostics"])

    def stand(self):
        """What must not change while answers are bad."""
        standing = {name: (read["read_until"], read["missing"]) for name, read in self.reads().items()}
        for name in SLOS:
            slo = self.daemon.data(f"/api/v1/slos/bad/{name}")
            standing[name] = (*standing.get(name, (None, None)), slo and slo["events"])
        return standing

    def is_current(self, now):
        reads = self.reads()
        return len(reads) == len(SLOS) and all(
            read["missing"] is None and not read["error"] and seconds(read["read_until"]) > now - 200
            for read in reads.values())

    def events(self):
        """{SLO: (total, bad)}."""
        events = {name: self.daemon.data(f"/api/v1/slos/bad/{name}")["events"] for name in SLOS}
        return {name: (found["total"], found["bad"]) for name, found in events.items()}


def slos():
    total, bad, range_ = 'http_requests_total{job="shop"}', 'http_requests_total{job="shop",code="500"}', "[{{.window}}]"
    queries = f"sum(increase({total}{range_}))", f"sum(increase({bad}{range_}))"
    indicators = {
        "selectors": {"source": "main", "total": total, "bad": bad},
        "functions": {"total": queries[0], "bad": queries[1]},
        "computed": {"source": "main", **{role: f"{query} + 0 * sum(rate({total}{range_}))"
                                          for role, query in zip(("total", "bad"), queries)}},
    }
    return [{"name": name, "objective": 99, "window": "1d", "indicator": indicator} for name, indicator in indicators.items()]


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def suffer(cases, length):
    """Bad answers for so long; what stood after the questions under way had ended stands at the end."""
    for case in cases:
        case.proxy.is_bad = True
    until = time.monotonic() + length
    time.sleep(UNDER_WAY_S)
    stood = {case.name: case.stand() for case in cases}
    while time.monotonic() < until:
        for case in cases:
            case.look()
        time.sleep(1)
    for case in cases:
        stands = case.stand()
        if not (case.is_mixed or case.is_empty or case.name == "none") and stands != stood[case.name]:
            case.problems.append(f"moved: {stood[case.name]} to {stands}")
        case.proxy.is_bad = False


def recover(cases, limit):
    """Waits until each has read all."""
    began, open_ = time.monotonic(), list(cases)
    while open_ and time.monotonic() < began + limit:
        for case in list(open_):
            if case.is_empty and time.monotonic() < began + LOOKED_AGAIN_S:
                continue
            if case.is_current(time.time()):
                case.settled_s = time.monotonic() - began
                open_.remove(case)
        time.sleep(1)
    for case in open_:
        case.settled_s = None
        case.problems.append(f"not current within {limit} s: {case.reads()}")


def judge(cases, world):
    """Compares the counts with the arithmetic, and computed ones with those of the nines without a fault."""
    without_fault = {}
    waiting, limit = {case.name: case for case in cases if case.settled_s is not None}, time.monotonic() + JUDGED_WITHIN_S
    while waiting and time.monotonic() < limit:
        before = {case.name: ends(case) for case in cases}
        time.sleep(5)
        found = {case.name: case.events() for case in cases}
        steady = {case.name for case in cases if ends(case) == before[case.name]}
        if "none" in steady:
            without_fault[before["none"]["computed"]] = found["none"]["computed"]
        for name in steady & set(waiting):
            if before[name]["computed"] in without_fault:
                compare(waiting.pop(name), world, before[name], found[name], without_fault)
    for case in waiting.values():
        case.problems.append(f"it reads other minutes than the one without a fault: {ends(case)}")


def ends(case):
    return {name: read["read_until"] for name, read in case.reads().items()}


def compare(case, world, until, found, without_fault):
    for name in SLOS:
        wanted = without_fault[until[name]] if name == "computed" else world.at(seconds(until[name]))
        if found[name] != wanted:
            case.problems.append(f"{name} until {until[name]}: {found[name]}, where {wanted} is right")


def run(options, folder):
    rng, now = random.Random(options.seed), int(time.time()) // 60 * 60
    world = World(rng, now, os.path.join(folder, "history.txt"))
    server = Prometheus(folder, os.path.join(folder, "history.txt"))
    names = [name for name in FAULTS if not options.only or name == "none" or name in options.only.split(";")]
    cases = []
    try:
        if not ask(server, 'count(http_requests_total{job="shop"})', now + AHEAD_S - 60)[0]:
            raise Failed("Prometheus does not serve what lies ahead")
        cases += [Case(name, options, folder, server.port, rng) for name in names]
        suffering = [case for case in cases if not case.is_empty]
        for case in suffering:
            case.proxy.is_bad = True
        for case in cases:
            case.daemon.start(wait=False)
        for case in cases:
            case.daemon.wait_ready()
        suffer(suffering, AT_START_S)
        recover(cases, 200)
        judge(cases, world)
        print(f"bad from the start: {sum(map(bool, (case.problems for case in cases)))} off", flush=True)
        for case in cases:
            case.proxy.is_bad = True
            if not case.is_empty:
                address = f"http://127.0.0.1:{case.daemon.port}/api/v1/slos/bad/selectors/backfill"
                urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=5).read()
        suffer(cases, LATER_S)
        recover(cases, 420)
        judge(cases, world)
        return report(cases)
    finally:
        for case in cases:
            case.daemon.stop()
            case.proxy.stop()
        server.process.terminate()
        server.process.wait(20)


def report(cases):
    rows = [("fault", "bad answers", "whole after s", "off", "shown")]
    for case in cases:
        if case.words:
            if not any(re.search(case.words, text) for text in case.shown):
                case.problems.append(f"nobody says {case.words!r}")
            if not case.diagnosed and not case.is_mixed:
                case.problems.append("the SLO has no D007")
        elif case.shown and case.name == "none":
            case.problems.append(f"shown without a fault: {case.shown}")
        said = next((text for text in case.shown if re.search(case.words or ".", text)), "")
        said = said.split(": ", 1)[-1]
        settled = "never" if case.settled_s is None else f"{case.settled_s:.0f}"
        rows.append((case.name, case.proxy.bad_answers, settled, len(case.problems), said[:110]))
    table(rows)
    for case in cases:
        for problem in case.problems:
            print(f"{case.name}: {problem}")
    off = sum(len(case.problems) for case in cases)
    print(f"{off} off")
    return 1 if off else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True)
    parser.add_argument("--only", help="these faults, separated by semicolons")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.nines = os.path.abspath(options.nines)
    folder = tempfile.mkdtemp(prefix="nines-bad-servers-")
    try:
        return run(options, folder)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
