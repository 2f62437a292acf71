#!/usr/bin/env python3
"""Side by side in one run: Prometheus, VictoriaMetrics and nines scrape the same targets while 100 SLOs are kept.

    run.py --nines target/release/nines [--duration 120] [--warm-up 30] [--compression off|on|both] [-o json]

Prometheus runs twice: once with rules of Sloth's shape for the same SLOs, once scraping only. VictoriaMetrics scrapes only.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import workload  # noqa: E402
from measure import (MIB, Failed, Process, farm_binary, fetch, free_port, machine, metric, say, start_farm,  # noqa: E402
                     table, wait_until)

FIRST_PORT = 9300
SETTLE_S = 60


class Tool:
    """One of the scrapers: its process, and how many samples it says that it has read."""

    def __init__(self, name, process, port, samples):
        self.name, self.process, self.port, self._samples = name, process, port, samples
        self.readings, self.begun = [], None

    def samples(self):
        return self._samples(self.port)

    def begin(self):
        self.begun = (time.monotonic(), self.process.cpu(), self.samples())

    def result(self):
        """What it cost between `begin` and now."""
        took = time.monotonic() - self.begun[0]
        user, system = (now - before for now, before in zip(self.process.cpu(), self.begun[1]))
        samples = self.samples() - self.begun[2]
        half = self.readings[len(self.readings) // 2:]
        return {
            "tool": self.name, "seconds": round(took, 1), "samples": int(samples),
            "samples_per_second": round(samples / took), "cpu_user": round(user, 2), "cpu_system": round(system, 2),
            "cpu_s_per_million": (user + system) / samples * 1e6 if samples else None,
            "rss_max_mib": max(one["VmRSS"] for one in self.readings) / MIB,
            "rss_steady_mib": sum(one["VmRSS"] for one in half) / len(half) / MIB,
            "anon_steady_mib": sum(one["RssAnon"] for one in half) / len(half) / MIB,
        }


def prometheus(name, options, folder, targets, rules):
    home, port = os.path.join(folder, name), free_port()
    os.makedirs(home)
    config = {"global": {"scrape_interval": f"{options.interval}s", "scrape_timeout": f"{options.interval}s",
                         "evaluation_interval": options.evaluation},
              "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": targets}]}]}
    if rules:
        workload.write_rules(os.path.join(home, "rules.yml"), options.slos, options.families)
        config["rule_files"] = ["rules.yml"]
    write(os.path.join(home, "prometheus.yml"), config)
    process = Process(name, [options.prometheus, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
                             f"--web.listen-address=127.0.0.1:{port}"], home)
    return Tool("Prometheus + rules" if rules else "Prometheus", process, port, prometheus_samples())


def prometheus_samples():
    """Its `scrape_samples_scraped`, summed from the first call on; rules' results are no scraped samples."""
    began = time.time()

    def samples(port):
        query = f"sum(sum_over_time(scrape_samples_scraped[{max(1, round((time.time() - began) * 1000))}ms]))"
        text = fetch(port, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        found = json.loads(text)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    return samples


def victoria(options, folder, targets):
    home, port = os.path.join(folder, "victoria"), free_port()
    os.makedirs(home)
    # It refuses what it does not know, so its file holds no more than it needs.
    write(os.path.join(home, "scrape.yml"),
          {"global": {"scrape_interval": f"{options.interval}s"},
           "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": targets}]}]})
    process = Process("victoria", [options.victoria, f"-promscrape.config={home}/scrape.yml",
                                   f"-storageDataPath={home}/data", f"-httpListenAddr=127.0.0.1:{port}",
                                   "-promscrape.maxScrapeSize=64MB", "-retentionPeriod=1d"], home)
    return Tool("VictoriaMetrics", process, port,
                lambda port: metric(fetch(port, "/metrics"), "vm_promscrape_scraped_samples_sum") or 0.0)


def nines(options, folder, targets, compressed):
    home, port = os.path.join(folder, "nines"), free_port()
    os.makedirs(home)
    workload.write_slos(os.path.join(home, "slos"), options.slos, options.families)
    write(os.path.join(home, "nines.yml"),
          {"global": {"scrape_interval": f"{options.interval}s", "scrape_timeout": f"{options.interval}s",
                      "evaluation_interval": options.evaluation},
           "slo_files": ["slos/*.yaml"],
           "scrape_configs": [{"job_name": "shop", "enable_compression": compressed,
                               "static_configs": [{"targets": targets}]}]})
    process = Process("nines", [options.nines, "serve", f"--config.file={home}/nines.yml",
                                f"--storage.url=sqlite:{home}/nines.db", f"--web.listen-address=127.0.0.1:{port}"], home)
    return Tool("nines", process, port, lambda port: metric(fetch(port, "/metrics"), "nines_samples_seen_total") or 0.0)


def write(path, document):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)


def one_pass(options, compressed):
    """All of them at the same time on the same targets; what each cost."""
    folder = tempfile.mkdtemp(prefix="nines-compare-")
    started = []
    try:
        farm = start_farm(options.farm, folder, "pages", "--port", FIRST_PORT, "--targets", options.targets,
                          "--tick-ms", options.interval * 500, *(["--gzip"] if compressed else []))
        started.append(farm)
        targets = [f"127.0.0.1:{FIRST_PORT + number}" for number in range(options.targets)]
        tools = []
        for name in options.tools:
            tools.append({"nines": lambda: nines(options, folder, targets, compressed),
                          "victoria": lambda: victoria(options, folder, targets),
                          "prometheus": lambda: prometheus("prometheus", options, folder, targets, False),
                          "prometheus-rules": lambda: prometheus("prometheus-rules", options, folder, targets, True),
                          }[name]())
            started.append(tools[-1].process)
        for tool in tools:
            wait_until(f"{tool.name} scrapes", lambda tool=tool: alive(tool) and tool.samples() > 0, SETTLE_S)
        say(f"compression {'on' if compressed else 'off'}: all scrape; warm-up of {options.warm_up} s")
        time.sleep(options.warm_up)
        for tool in tools:
            tool.begin()
        farm_cpu, until = sum(farm.cpu()), time.monotonic() + options.duration
        while time.monotonic() < until:
            time.sleep(1)
            for tool in tools:
                alive(tool)
                tool.readings.append(tool.process.memory())
        results = [tool.result() for tool in tools]
        share = (sum(farm.cpu()) - farm_cpu) / options.duration
        return {"compression": compressed, "farm_cpu_share": round(share, 3), "tools": results,
                "selected": selected(tools)}
    finally:
        for process in reversed(started):
            process.stop()
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def alive(tool):
    if not tool.process.alive():
        raise Failed(f"{tool.name} ended:\n{tool.process.tail()}")
    return True


def selected(tools):
    """The share of all samples that some SLO selects, as nines says."""
    for tool in tools:
        if tool.name == "nines":
            page = fetch(tool.port, "/metrics")
            return metric(page, "nines_samples_selected_total") / metric(page, "nines_samples_seen_total")
    return None


def show(outcome):
    print(f"\ncompression {'on' if outcome['compression'] else 'off'}; selected by some SLO: "
          f"{(outcome['selected'] or 0) * 100:.2f} % of the samples; "
          f"the load generator used {outcome['farm_cpu_share'] * 100:.0f} % of a core")
    ours = next((one for one in outcome["tools"] if one["tool"] == "nines"), None)
    rows = [("", "samples", "CPU s user+system", "CPU s / million", "x nines", "RSS MiB max", "steady", "anonymous",
             "x nines")]
    for one in outcome["tools"]:
        ratio = [f"{one[key] / ours[key]:.1f}" if ours and ours[key] else "" for key in ("cpu_s_per_million", "rss_max_mib")]
        rows.append((one["tool"], f"{one['samples'] / 1e6:.2f} M", f"{one['cpu_user']:.2f}+{one['cpu_system']:.2f}",
                     f"{one['cpu_s_per_million']:.4f}", ratio[0], f"{one['rss_max_mib']:.1f}",
                     f"{one['rss_steady_mib']:.1f}", f"{one['anon_steady_mib']:.1f}", ratio[1]))
    table(rows)


def install(options):
    """Debian's packages, where they are missing and we may."""
    wanted = {"prometheus": ("prometheus", options.tools & {"prometheus", "prometheus-rules"}),
              "victoria": ("victoria-metrics", options.tools & {"victoria"})}
    for field, (package, needed) in wanted.items():
        found = shutil.which(getattr(options, field) or package)
        if needed and not found and os.geteuid() == 0 and shutil.which("apt-get"):
            say(f"installing {package} …")
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False,
                     "env": dict(os.environ, DEBIAN_FRONTEND="noninteractive")}
            subprocess.run(["apt-get", "update", "-qq"], **quiet)
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], **quiet)
            found = shutil.which(package)
        if needed and not found:
            raise Failed(f"{package} is not here: install it, or say where it is with --{field}")
        setattr(options, field, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--prometheus", metavar="PATH")
    parser.add_argument("--victoria", metavar="PATH")
    parser.add_argument("--farm", metavar="PATH", help="the load generator's binary; built when it is not given")
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--interval", type=int, default=5, help="seconds between two scrapes")
    parser.add_argument("--evaluation", default="30s", help="how often rules and SLOs are evaluated")
    parser.add_argument("--slos", type=int, default=100)
    parser.add_argument("--families", choices=("shared", "spread"), default="shared",
                        help="SLOs for routes of 20 metrics, or each on a metric of its own")
    parser.add_argument("--duration", type=int, default=120)
    parser.add_argument("--warm-up", type=int, default=30)
    parser.add_argument("--compression", choices=("off", "on", "both"), default="both")
    parser.add_argument("--tools", default="prometheus-rules,prometheus,victoria,nines")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configs and logs")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    options.nines, options.tools = os.path.abspath(options.nines), dict.fromkeys(options.tools.split(",")).keys()
    try:
        install(options)
        options.farm = farm_binary(options.farm)
        where = machine()
        passes = {"off": [False], "on": [True], "both": [False, True]}[options.compression]
        outcomes = [one_pass(options, compressed) for compressed in passes]
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    if options.output == "json":
        json.dump({"machine": where, "outcomes": outcomes}, sys.stdout, indent=1)
        print()
        return 0
    print(where)
    print(f"{options.targets} targets of 40,000 series every {options.interval} s, {options.slos} SLOs ({options.families}), {options.duration} s")
    for outcome in outcomes:
        show(outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
