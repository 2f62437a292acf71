#!/usr/bin/env python3
"""Times `nines check` on many SLO files, beside `promtool check rules` on the same queries, in one run.

    python3 bench/check_many.py --nines target/release/nines [--files 1000] [--slos 10] [--runs 5]

The files are a mix of formats: native, Sloth, Pyrra and OpenSLO in equal parts, each SLO with queries of its own. promtool, where it is
installed, gets one rule for each query. Prints each command's fastest, middle and slowest run and the ratio.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def native(file: int, slos: int) -> str:
    lines = ["version: nines/v1", f"service: native-{file}", "labels: {team: payments}", "slos:"]
    for n in range(slos):
        lines += [f"  - name: slo-{n}", "    objective: 99.9", "    window: 30d", "    indicator:",
                  f"      total: http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\"}}",
                  f"      bad: http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\",code=~\"5..\"}}"]
    return "\n".join(lines) + "\n"


def sloth(file: int, slos: int) -> str:
    lines = ["version: prometheus/v1", f"service: sloth-{file}", "slos:"]
    for n in range(slos):
        total = f"http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\""
        lines += [f"  - name: slo-{n}", "    objective: 99.9", "    sli:", "      events:",
                  f"        error_query: sum(rate({total},code=~\"5..\"}}[{{{{.window}}}}]))",
                  f"        total_query: sum(rate({total}}}[{{{{.window}}}}]))",
                  "    alerting:", f"      name: Burn{n}", "      page_alert: {labels: {severity: page}}",
                  "      ticket_alert: {labels: {severity: slack}}"]
    return "\n".join(lines) + "\n"


def pyrra(file: int, slos: int) -> str:
    documents = []
    for n in range(slos):
        total = f"http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\""
        documents.append(f"""\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {{name: slo-{n}, namespace: pyrra-{file}}}
spec:
  target: "99.9"
  window: 4w
  indicator:
    ratio:
      errors: {{metric: '{total},code=~"5.."}}'}}
      total: {{metric: '{total}}}'}}
""")
    return "---\n".join(documents)


def openslo(file: int, slos: int) -> str:
    documents = []
    for n in range(slos):
        total = f"http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\""
        documents.append(f"""\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: slo-{n}}}
spec:
  service: openslo-{file}
  budgetingMethod: Occurrences
  timeWindow: [{{duration: 30d, isRolling: true}}]
  indicator:
    metadata: {{name: sli-{n}}}
    spec:
      ratioMetric:
        counter: true
        bad: {{metricSource: {{type: Prometheus, spec: {{query: '{total},code=~"5.."}}'}}}}}}
        total: {{metricSource: {{type: Prometheus, spec: {{query: '{total}}}'}}}}}}
  objectives: [{{target: 0.999}}]
""")
    return "---\n".join(documents)


def write_slos(folder: pathlib.Path, files: int, slos: int) -> int:
    makers = [native, sloth, pyrra, openslo]
    size = 0
    for file in range(files):
        text = makers[file % len(makers)](file, slos)
        (folder / f"{file:05}.yaml").write_text(text, encoding="utf-8")
        size += len(text)
    return size


def write_rules(folder: pathlib.Path, files: int, slos: int) -> None:
    for file in range(files):
        lines = ["groups:", f"- name: g{file}", "  rules:"]
        for n in range(slos):
            for kind, more in (("total", ""), ("bad", ',code=~"5.."')):
                query = f"sum(rate(http_requests_total{{job=\"shop-{file}\",handler=\"/h{n}\"{more}}}[5m]))"
                lines += [f"  - record: slo:{kind}{n}", f"    expr: {query}"]
        (folder / f"{file:05}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def time_runs(command: list[str], runs: int) -> list[float]:
    seconds = []
    for _ in range(runs):
        began = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        seconds.append(time.monotonic() - began)
        if done.returncode != 0:
            sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout.decode()[-2000:]}")
    return sorted(seconds)


def shown(name: str, seconds: list[float]) -> str:
    return f"{name:24} {seconds[0]:7.3f} {statistics.median(seconds):7.3f} {seconds[-1]:7.3f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nines", required=True)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--slos", type=int, default=10, help="SLOs in each file")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nines-check-") as scratch:
        specs, rules = pathlib.Path(scratch, "slos"), pathlib.Path(scratch, "rules")
        specs.mkdir(), rules.mkdir()
        size = write_slos(specs, options.files, options.slos)
        write_rules(rules, options.files, options.slos)
        print(f"{options.files * options.slos} SLOs in {options.files} files, {size / 1e6:.1f} MB; fastest, middle, slowest of {options.runs}")
        nines = time_runs([options.nines, "check", "--output-format=concise", str(specs)], options.runs)
        print(shown("nines check", nines))
        promtool = shutil.which("promtool")
        if promtool is None:
            print("promtool is not installed: nothing to compare with")
            return 0
        files = [str(path) for path in sorted(rules.iterdir())]
        other = time_runs([promtool, "check", "rules", "--lint=none", *files], options.runs)
        print(shown("promtool check rules", other))
        print(f"nines takes {statistics.median(nines) / statistics.median(other):.2f} of promtool's time for the same queries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
