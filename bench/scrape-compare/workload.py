"""100 SLOs on the farm's pages: as files of nines, and as the rules that Sloth makes of the same SLOs."""

import json
import os

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
ROUTE = 'route="/api/v1/r3"'


def objectives(count):
    """(name, metric, latency?) of each SLO: three of five on a counter's family, two on a histogram's."""
    for number in range(count):
        if number % 5 < 3:
            family = number // 5 * 3 + number % 5
            yield f"availability-{number:03}", f"shop_c{family % 100:02}_requests_total", False
        else:
            family = number // 5 * 2 + number % 5 - 3
            yield f"latency-{number:03}", f"shop_h{family % 40:02}_request_duration_seconds", True


def write_slos(folder, count):
    """One file for each SLO; JSON is YAML."""
    os.makedirs(folder, exist_ok=True)
    for name, metric, latency in objectives(count):
        if latency:
            indicator = {"latency": f"{metric}{{{ROUTE}}}", "threshold": "300ms"}
        else:
            indicator = {"total": f"{metric}{{{ROUTE}}}", "bad": f'{metric}{{{ROUTE},code="500"}}'}
        document = {"version": "nines/v1", "service": "shop",
                    "slos": [{"name": name, "objective": 99.9, "window": "30d", "indicator": indicator}]}
        with open(os.path.join(folder, f"{name}.yaml"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


def write_rules(path, count):
    """Recording and alerting rules of the shape that Sloth generates: 17 for each SLO."""
    groups = []
    for name, metric, latency in objectives(count):
        groups += _groups(name, metric, latency)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": groups}, file, indent=1)


def _groups(name, metric, latency):
    labels = {"sloth_id": f"shop-{name}", "sloth_service": "shop", "sloth_slo": name}
    chosen = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    errors = [_record(f"slo:sli_error:ratio_rate{window}", _ratio(metric, latency, window),
                      dict(labels, sloth_window=window)) for window in WINDOWS]
    five = f"slo:sli_error:ratio_rate5m{{{chosen}}}"
    errors.append(_record("slo:sli_error:ratio_rate30d",
                          f"sum_over_time({five}[30d]) / ignoring (sloth_window) count_over_time({five}[30d])",
                          dict(labels, sloth_window="30d")))
    on = "on(sloth_id, sloth_slo, sloth_service) group_left"
    budget = f"slo:error_budget:ratio{{{chosen}}}"
    meta = [
        _record("slo:objective:ratio", "vector(0.999)", labels),
        _record("slo:error_budget:ratio", "vector(1-0.999)", labels),
        _record("slo:time_period:days", "vector(30)", labels),
        _record("slo:current_burn_rate:ratio", f"{five} / {on} {budget}", labels),
        _record("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate30d{{{chosen}}} / {on} {budget}", labels),
        _record("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{{{chosen}}}", labels),
        _record("sloth_slo_info", "vector(1)", dict(labels, sloth_mode="cli", sloth_objective="99.9")),
    ]
    alerts = [_alert(chosen, "page", (("5m", "1h", 14.4), ("30m", "6h", 6))),
              _alert(chosen, "ticket", (("2h", "1d", 3), ("6h", "3d", 1)))]
    return [{"name": f"sloth-slo-{kind}-shop-{name}", "rules": rules}
            for kind, rules in (("sli-recordings", errors), ("meta-recordings", meta), ("alerts", alerts))]


def _ratio(metric, latency, window):
    if latency:
        good, total = f'{metric}_bucket{{{ROUTE},le="0.3"}}', f"{metric}_count{{{ROUTE}}}"
        return f"1 - ((sum(rate({good}[{window}]))) / (sum(rate({total}[{window}]))))"
    bad, total = f'{metric}{{{ROUTE},code="500"}}', f"{metric}{{{ROUTE}}}"
    return f"(sum(rate({bad}[{window}]))) / (sum(rate({total}[{window}])))"


def _record(record, expression, labels):
    return {"record": record, "expr": expression, "labels": labels}


def _alert(chosen, severity, conditions):
    def above(window, factor):
        return (f"max(slo:sli_error:ratio_rate{window}{{{chosen}}} > ({factor} * 0.001)) without (sloth_window)")

    expression = " or ".join(f"({above(short, factor)} and {above(long, factor)})" for short, long, factor in conditions)
    return {"alert": "SLOBurn", "expr": expression, "labels": {"sloth_severity": severity}}
