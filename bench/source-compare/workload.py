"""SLOs of the shape of Sloth's examples: the series, their history, the files as Sloth reads them, the rules that it makes."""

import json
import os

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
METRIC = "http_request_duration_seconds_count"
# Requests per second of one instance, by code.
CODES = {"200": 20.0, "429": 0.004, "500": 0.006}
OBJECTIVE = 99.9
# Sloth's arithmetic: (100 - objective) / 100 in alerts, 1 - objective / 100 in rules.
ALERTED_BUDGET, RULED_OBJECTIVE = (100 - OBJECTIVE) / 100, OBJECTIVE / 100
EVALUATED_EVERY_S = 30


class Services:
    """Counters of many services, each with its instances; their values follow from the time alone."""

    def __init__(self, count, instances, origin):
        self.count, self.instances, self.origin = count, instances, origin

    def names(self):
        return [f"svc{number:03}" for number in range(self.count)]

    def series(self):
        """(text, events per second) of each counter."""
        for number, job in enumerate(self.names()):
            for instance in range(self.instances):
                for code, rate in CODES.items():
                    labels = f'code="{code}",instance="{job}-{instance}:8080",job="{job}"'
                    yield f"{METRIC}{{{labels}}}", rate * (1 + number % 7)

    def page(self, at):
        """What an exporter shows at a time, for `honor_labels`."""
        return "".join(f"{text} {self.value(rate, at)}\n" for text, rate in self.series())

    def value(self, rate, at):
        return int(rate * (at - self.origin))

    def history(self, path, begin, end, interval):
        """The same counters, and Sloth's recorded 5m ratios, as OpenMetrics for promtool; how many samples."""
        times, written = range(begin, end, interval), 0
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"# TYPE {METRIC} unknown\n")
            for text, rate in self.series():
                file.write("".join([f"{text} {self.value(rate, at)} {at}\n" for at in times]))
                written += len(times)
            name, times = "slo:sli_error:ratio_rate5m", range(begin, end, EVALUATED_EVERY_S)
            file.write(f"# TYPE {name} unknown\n")
            bad = (CODES["429"] + CODES["500"]) / sum(CODES.values())
            for job in self.names():
                labels = dict(_labels(job), sloth_window="5m")
                text = name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"
                # Two values take turns: an average over what never changes would compress too well.
                file.write("".join([f"{text} {bad * (1 + at // 30 % 5 / 10):.9f} {at}\n" for at in times]))
                written += len(times)
            file.write("# EOF\n")
        return written


def queries(job, window="{{.window}}"):
    """The bad and all events of a service, word for word as Sloth's example has them."""
    bad = f'sum(rate({METRIC}{{job="{job}",code=~"(5..|429)"}}[{window}]))'
    return bad, f'sum(rate({METRIC}{{job="{job}"}}[{window}]))'


def write_slos(folder, services):
    """A file for each service, as Sloth's getting-started.yml; JSON is YAML."""
    os.makedirs(folder)
    for job in services.names():
        bad, total = queries(job)
        slo = {
            "name": "requests-availability", "objective": OBJECTIVE,
            "description": "Common SLO based on availability for HTTP request responses.",
            "sli": {"events": {"error_query": bad, "total_query": total}},
            "alerting": {"name": "MyServiceHighErrorRate", "labels": {"category": "availability"},
                         "page_alert": {"labels": {"severity": "pageteam", "routing_key": "myteam"}},
                         "ticket_alert": {"labels": {"severity": "slack", "slack_channel": "#alerts-myteam"}}},
        }
        document = [f"version: prometheus/v1\nservice: {job}\nlabels: {json.dumps(_extra(job))}\n",
                    f"slos: {json.dumps([slo], indent=1)}\n"]
        with open(os.path.join(folder, f"{job}.yml"), "w", encoding="utf-8") as file:
            file.writelines(document)


def write_rules(path, services):
    """What `sloth generate` makes of the same files: three groups with 17 rules for each SLO."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": [group for job in services.names() for group in _groups(job)]}, file, indent=1)


def _extra(job):
    return {"owner": "myteam", "repo": f"myorg/{job}", "tier": "2"}


def _labels(job):
    return {"sloth_id": f"{job}-requests-availability", "sloth_service": job, "sloth_slo": "requests-availability",
            **_extra(job)}


def _groups(job):
    labels = _labels(job)
    chosen = "{" + ", ".join(f'{label}="{labels[label]}"' for label in ("sloth_id", "sloth_service", "sloth_slo")) + "}"
    five = f"slo:sli_error:ratio_rate5m{chosen}"

    def record(name, expression, **more):
        return {"record": name, "expr": expression, "labels": {**labels, **more}}

    errors = []
    for window in WINDOWS:
        bad, total = queries(job, window)
        errors.append(record(f"slo:sli_error:ratio_rate{window}", f"({bad})\n/\n({total})\n", sloth_window=window))
    errors.append(record("slo:sli_error:ratio_rate30d",
                         f"sum_over_time({five}[30d])\n/ ignoring (sloth_window)\ncount_over_time({five}[30d])\n",
                         sloth_window="30d"))
    budget = f"/ on(sloth_id, sloth_slo, sloth_service) group_left\nslo:error_budget:ratio{chosen}\n"
    meta = [
        record("slo:objective:ratio", f"vector({RULED_OBJECTIVE!r})"),
        record("slo:error_budget:ratio", f"vector(1-{RULED_OBJECTIVE!r})"),
        record("slo:time_period:days", "vector(30)"),
        record("slo:current_burn_rate:ratio", f"{five}\n{budget}"),
        record("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate30d{chosen}\n{budget}"),
        record("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{chosen}"),
        record("sloth_slo_info", "vector(1)", sloth_version="dev", sloth_mode="cli-gen-prom",
               sloth_spec="prometheus/v1", sloth_objective=f"{OBJECTIVE:g}"),
    ]
    alerts = [_alert(chosen, "page", (("5m", "1h", "14.4"), ("30m", "6h", "6"))),
              _alert(chosen, "ticket", (("2h", "1d", "3"), ("6h", "3d", "1")))]
    return [{"name": f"sloth-slo-{kind}-{labels['sloth_id']}", "rules": rules}
            for kind, rules in (("sli-recordings", errors), ("meta-recordings", meta), ("alerts", alerts))]


def _alert(chosen, severity, pairs):
    def above(window, factor):
        return (f"    max(slo:sli_error:ratio_rate{window}{chosen} > ({factor} * {ALERTED_BUDGET!r})) "
                f"without (sloth_window)\n")

    both = (f"(\n{above(short, factor)}    and\n{above(long, factor)})\n" for short, long, factor in pairs)
    return {"alert": "MyServiceHighErrorRate", "expr": "or\n".join(both),
            "labels": {"sloth_severity": severity, "category": "availability"},
            "annotations": {"summary": "{{$labels.sloth_service}}", "title": "{{$labels.sloth_slo}}"}}
