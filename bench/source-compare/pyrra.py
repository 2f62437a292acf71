"""The same SLOs as Pyrra has them: its objects, and the rules that it makes of them for a window of 30 days."""

import json
import os

from workload import METRIC, OBJECTIVE

RECORDED = METRIC.removesuffix("_count")
# Severity, for, long, short, factor, exhaustion: Pyrra's table for 30 days.
TIERS = (("critical", "2m0s", "1h4m", "5m", 14, "2d3h"), ("critical", "16m0s", "6h26m", "32m", 7, "4d6h"),
         ("warning", "1h4m0s", "1d1h43m", "2h9m", 2, "15d"), ("warning", "3h13m0s", "4d6h51m", "6h26m", 1, "30d"))
# Of each SLO there is one burn rate of five minutes.
KEPT = f"count({RECORDED}:burnrate5m)"


def write_slos(folder, services):
    """A file for each service; JSON is YAML."""
    os.makedirs(folder)
    for job in services.names():
        bad, total = _selectors(job)
        ratio = {"errors": {"metric": f"{METRIC}{{{bad}}}"}, "total": {"metric": f"{METRIC}{{{total}}}"}}
        document = {"apiVersion": "pyrra.dev/v1alpha1", "kind": "ServiceLevelObjective",
                    "metadata": {"name": _name(job), "namespace": "monitoring"},
                    "spec": {"target": f"{OBJECTIVE:g}", "window": "30d", "indicator": {"ratio": ratio}}}
        with open(os.path.join(folder, f"{job}.yml"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


def write_rules(path, services):
    """Two groups for each SLO: the increase over the window, every 2m30s; burn rates and alerts every 30 s."""
    groups = []
    for job in services.names():
        name, labels = _name(job), {"job": job, "slo": _name(job)}
        groups.append({"name": f"{name}-increase", "interval": "2m30s", "rules": _increase(job, labels)})
        groups.append({"name": name, "interval": "30s", "rules": [*_burn_rates(job, labels), *_alerts(labels)]})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": groups}, file, indent=1)


def _name(job):
    return f"{job}-requests-availability"


def _selectors(job):
    return f'job="{job}",code=~"(5..|429)"', f'job="{job}"'


def _increase(job, labels):
    selector = f"{METRIC}{{{_selectors(job)[1]}}}"
    return [{"record": f"{RECORDED}:increase30d", "expr": f"sum by (code) (increase({selector}[30d]))", "labels": labels},
            {"alert": "SLOMetricAbsent", "expr": f"absent({selector}) == 1", "for": "3m0s",
             "labels": {**labels, "severity": "critical"}}]


def _burn_rates(job, labels):
    bad, total = _selectors(job)
    windows = dict.fromkeys(window for _, _, long, short, *_ in TIERS for window in (short, long))
    for window in windows:
        ratio = f"sum(rate({METRIC}{{{bad}}}[{window}])) / sum(rate({METRIC}{{{total}}}[{window}]))"
        yield {"record": f"{RECORDED}:burnrate{window}", "expr": ratio, "labels": labels}


def _alerts(labels):
    chosen = "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
    for severity, held, long, short, factor, exhaustion in TIERS:
        above = [f"{RECORDED}:burnrate{window}{chosen} > ({factor} * (1-{OBJECTIVE / 100:g}))" for window in (short, long)]
        yield {"alert": "ErrorBudgetBurn", "expr": " and ".join(above), "for": held,
               "labels": {**labels, "severity": severity, "short": short, "long": long, "exhaustion": exhaustion}}
