#!/usr/bin/env python3
"""What SLOs cost a Prometheus: nines asks it, or it evaluates the rules that Sloth or Pyrra makes of them.

    run.py --nines target/release/nines [--shape sloth|pyrra] [--slos 500] [--days 3] [--interval 60] [--duration 180] [-o json]

One real Prometheus with the history of 500 services, three times on the same blocks: alone, with nines asking, with the
rules. It scrapes an exporter that goes on with the same series. What it costs alone is taken off both.
"""

import argparse
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import pyrra  # noqa: E402
import workload  # noqa: E402
from measure import MIB, Failed, Process, fetch, free_port, machine, metric, say, table, wait_until  # noqa: E402

CYCLE_S = workload.EVALUATED_EVERY_S
READ_WITHIN_S = 1800
SHAPES = {"sloth": workload, "pyrra": pyrra}


class Exporter:
    """One page with all services, which goes on where the history ends."""

    def __init__(self, services):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = services.page(time.time()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()


def make_blocks(options, services, folder):
    """The history as blocks of a TSDB; made once for all runs."""
    text, blocks = os.path.join(folder, "history.txt"), os.path.join(folder, "blocks")
    end = int(time.time()) // options.interval * options.interval
    written = services.history(text, end - options.days * 86400, end, options.interval)
    say(f"{written:,} samples written; promtool makes blocks of them")
    done = subprocess.run([options.promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=48h",
                           text, blocks], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"promtool: {done.stderr[-500:]}")
    os.remove(text)
    return blocks, written


class Prometheus:
    """A server of its own with a copy of the blocks."""

    def __init__(self, name, options, folder, blocks, exporter, services):
        home, self.port = os.path.join(folder, f"prometheus-{name}"), free_port()
        os.makedirs(home)
        shutil.copytree(blocks, os.path.join(home, "data"))
        config = {"global": {"scrape_interval": f"{options.interval}s", "evaluation_interval": f"{CYCLE_S}s"},
                  "scrape_configs": [{"job_name": "exporter", "honor_labels": True,
                                      "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}]}
        if name == "rules":
            SHAPES[options.shape].write_rules(os.path.join(home, "rules.yml"), services)
            config["rule_files"] = ["rules.yml"]
        write(os.path.join(home, "prometheus.yml"), config)
        # Compaction would come in one of the runs and not in the others.
        block = [f"--storage.tsdb.{which}-block-duration=2h" for which in ("min", "max")]
        self.process = Process("prometheus", [
            options.prometheus, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data", *block,
            "--storage.tsdb.retention.time=400d", f"--web.listen-address=127.0.0.1:{self.port}"], home)
        wait_until("Prometheus", lambda: fetch(self.port, "/-/ready"), 120)

    def ask(self, query):
        text = fetch(self.port, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        found = json.loads(text)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0


def start_nines(options, folder, server, services):
    home, port = os.path.join(folder, "nines"), free_port()
    os.makedirs(home)
    SHAPES[options.shape].write_slos(os.path.join(home, "slos"), services)
    write(os.path.join(home, "nines.yml"),
          {"global": {"evaluation_interval": f"{CYCLE_S}s"}, "slo_files": ["slos/*.yml"],
           "prometheus_servers": [{"name": "main", "url": f"http://127.0.0.1:{server.port}",
                                   "queries_per_second": options.queries_per_second}]})
    process = Process("nines", [options.nines, "serve", f"--config.file={home}/nines.yml",
                                f"--storage.url=sqlite:{home}/nines.db", f"--web.listen-address=127.0.0.1:{port}"], home)
    return process, port


def write(path, document):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)


def measure(processes, seconds):
    """CPU seconds in a cycle, and resident memory, of each."""
    before, began = [sum(process.cpu()) for process in processes], time.monotonic()
    readings = [[] for _ in processes]
    while time.monotonic() < began + seconds:
        time.sleep(1)
        for process, found in zip(processes, readings):
            if not process.alive():
                raise Failed(f"{process.name} ended:\n{process.tail()}")
            found.append(process.memory()["VmRSS"] / MIB)
    took = time.monotonic() - began
    return [{"cpu_s_per_cycle": (sum(process.cpu()) - cpu) * CYCLE_S / took, "rss_max_mib": max(found),
             "rss_mean_mib": sum(found) / len(found)} for process, cpu, found in zip(processes, before, readings)]


def questions(port):
    """{outcome: how many questions}, and samples in their answers."""
    page = fetch(port, "/metrics")
    lines = [line for line in page.splitlines() if line.startswith("nines_source_queries_total")]
    by_outcome = {line.split('outcome="')[1].split('"')[0]: int(float(line.split()[-1])) for line in lines}
    return by_outcome, metric(page, "nines_source_samples_total") or 0.0


def backfills(port):
    return json.loads(fetch(port, "/api/v1/backfills"))["data"]["backfills"]


def has_read(port, count):
    found = backfills(port)
    return len(found) == count and all(one["backfill"]["missing"] is None for one in found)


def run_alone(options, server, _folder, _services):
    time.sleep(options.warm_up)
    return {"server": measure([server.process], options.duration)[0], "load": os.getloadavg()[0]}


def run_rules(options, server, _folder, services):
    time.sleep(options.warm_up)
    result = {"server": measure([server.process], options.duration)[0], "load": os.getloadavg()[0]}
    kept = int(server.ask(SHAPES[options.shape].KEPT))
    if kept != services.count:
        raise Failed(f"the rules have a result for {kept} of {services.count} SLOs")
    page = fetch(server.port, "/metrics")
    result["missed"] = metric(page, "prometheus_rule_group_iterations_missed_total")
    failed = metric(page, "prometheus_rule_evaluation_failures_total")
    if failed:
        raise Failed(f"{failed:.0f} evaluations of rules failed:\n{server.process.tail()}")
    return result


def run_nines(options, server, folder, services):
    before, began = sum(server.process.cpu()), time.monotonic()
    nines, port = start_nines(options, folder, server, services)
    try:
        wait_until("nines", lambda: fetch(port, "/-/ready"), 60)
        wait_until(f"questions for {services.count} SLOs", lambda: len(backfills(port)) == services.count, 300)
        wait_until("the whole windows", lambda: has_read(port, services.count), READ_WITHIN_S)
        read = {"seconds": time.monotonic() - began, "server_cpu_s": sum(server.process.cpu()) - before,
                "nines_cpu_s": sum(nines.cpu()), "nines_rss_mib": nines.memory()["VmHWM"] / MIB}
        read["questions"], read["samples"] = questions(port)
        time.sleep(options.warm_up)
        (asked, samples), at = questions(port), time.monotonic()
        of_server, of_nines = measure([server.process, nines], options.duration)
        (asked_now, samples_now), cycles = questions(port), (time.monotonic() - at) / CYCLE_S
        steady = {"questions": (sum(asked_now.values()) - sum(asked.values())) / cycles,
                  "samples": (samples_now - samples) / cycles}
        listed = json.loads(fetch(port, "/api/v1/slos?limit=1000"))["data"]["slos"]
        without = [slo["id"] for slo in listed if not slo["events"] or not slo["events"]["bad"]]
        if len(listed) != services.count or without:
            raise Failed(f"nines keeps {len(listed)} SLOs, {len(without)} of them without events: {without[:3]}")
        return {"server": of_server, "nines": of_nines, "read": read, "steady": steady, "outcomes": asked_now,
                "load": os.getloadavg()[0]}
    finally:
        nines.stop()


def all_runs(options):
    folder = tempfile.mkdtemp(prefix="nines-source-compare-")
    exporter = None
    try:
        # All counters began ten days before the history, and have gone on since.
        services = workload.Services(options.slos, options.instances, int(time.time()) - (options.days + 10) * 86400)
        blocks, written = make_blocks(options, services, folder)
        exporter, results = Exporter(services), {"samples": written}
        for name, run in (("alone", run_alone), ("nines", run_nines), ("rules", run_rules)):
            server = Prometheus(name, options, folder, blocks, exporter, services)
            try:
                say(f"{name}: Prometheus is ready")
                results[name] = run(options, server, folder, services)
            finally:
                server.process.stop()
        return results
    finally:
        if exporter:
            exporter.stop()
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def show(results, options):
    alone = results["alone"]["server"]["cpu_s_per_cycle"]
    net = {name: results[name]["server"]["cpu_s_per_cycle"] - alone for name in ("nines", "rules")}
    rows = [("Prometheus", f"CPU s / {CYCLE_S} s", "without its own", "RSS MiB, most", "mean", "load")]
    for name, words in (("alone", "alone"), ("nines", "nines asks"), ("rules", f"{options.shape.title()}'s rules")):
        one = results[name]["server"]
        rows.append((words, f"{one['cpu_s_per_cycle']:.3f}", f"{net[name]:.3f}" if name in net else "",
                     f"{one['rss_max_mib']:.0f}", f"{one['rss_mean_mib']:.0f}", f"{results[name]['load']:.1f}"))
    table(rows)
    nines, read, steady = (results["nines"][key] for key in ("nines", "read", "steady"))
    print(f"rules to nines: {net['rules'] / max(net['nines'], 1e-9):.1f}x, with what Prometheus does anyway "
          f"{results['rules']['server']['cpu_s_per_cycle'] / results['nines']['server']['cpu_s_per_cycle']:.1f}x; "
          f"rule groups missed {results['rules']['missed']:.0f} iterations")
    print(f"nines itself: {nines['cpu_s_per_cycle']:.3f} CPU s / {CYCLE_S} s, RSS {nines['rss_max_mib']:.0f} MiB; "
          f"{steady['questions']:.0f} questions and {steady['samples']:.0f} samples in {CYCLE_S} s")
    print(f"reading {options.days} days of history: {read['seconds']:.1f} s, {sum(read['questions'].values())} questions, "
          f"{read['samples'] / 1e6:.1f} M samples, {read['server_cpu_s']:.1f} CPU s of Prometheus, "
          f"{read['nines_cpu_s']:.1f} of nines, whose RSS was {read['nines_rss_mib']:.0f} MiB at most")
    print(f"outcomes of all questions: {results['nines']['outcomes']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--prometheus", metavar="PATH", default="prometheus")
    parser.add_argument("--promtool", metavar="PATH", default="promtool")
    parser.add_argument("--shape", choices=tuple(SHAPES), default="sloth", help="whose files and rules")
    parser.add_argument("--slos", type=int, default=500)
    parser.add_argument("--instances", type=int, default=2, help="of each service; each has three codes")
    parser.add_argument("--days", type=int, default=3, help="of history")
    parser.add_argument("--interval", type=int, default=60, help="seconds between two samples")
    parser.add_argument("--duration", type=int, default=180)
    parser.add_argument("--warm-up", type=int, default=90)
    parser.add_argument("--queries-per-second", type=int, default=200)
    parser.add_argument("--keep", action="store_true", help="keep the folder with configs and logs")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    options.nines = os.path.abspath(options.nines)
    try:
        for tool in ("prometheus", "promtool"):
            if not shutil.which(getattr(options, tool)):
                raise Failed(f"{tool} is not here: install it, or say where it is with --{tool}")
        where = machine()
        results = all_runs(options)
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    if options.output == "json":
        json.dump({"machine": where, **results}, sys.stdout, indent=1)
        print()
        return 0
    print(where)
    print(f"{options.slos} SLOs as {options.shape.title()} has them, {options.slos * options.instances * len(workload.CODES)} series every {options.interval} s, "
          f"{options.days} days of history ({results['samples'] / 1e6:.1f} M samples), {options.duration} s each")
    show(results, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
