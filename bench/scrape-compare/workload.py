"""100 SLOs on the farm's pages: as files of nines, and as the rules that Sloth makes of the same SLOs."""

import json
import os

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def objectives(count, families):
    """(name, metric, matcher, latency?) of each SLO: three of five on counters, two on histograms.

    `shared`: an SLO for each of five routes of 12 counters and 8 histograms, as services that count all their routes in
    one metric have it: 17 % of the page's series have a name that some SLO wants. `spread`: each SLO on a metric of its
    own, 84 % of the page, the most that a hundred SLOs can do.
    """
    for number in range(count):
        latency, turn = number % 5 >= 3, number // 5 * 2 + number % 5 - 3
        turn = turn if latency else number // 5 * 3 + number % 5
        # Counters and histograms of the page: 100 and 40.
        shared, existing = (8, 40) if latency else (12, 100)
        family, route = (turn % shared, turn // shared % 10) if families == "shared" else (turn % existing, 3)
        metric = f"shop_h{family:02}_request_duration_seconds" if latency else f"shop_c{family:02}_requests_total"
        name = f"{'latency' if latency else 'availability'}-{number:03}"
        yield name, metric, f'route="/api/v1/r{route}"', latency


def write_slos(folder, count, families):
    """One file for each SLO; JSON is YAML."""
    os.makedirs(folder, exist_ok=True)
    for name, metric, route, latency in objectives(count, families):
        if latency:
            indicator = {"latency": f"{metric}{{{route}}}", "threshold": "300ms"}
        else:
            indicator = {"total": f"{metric}{{{route}}}", "bad": f'{metric}{{{route},code="500"}}'}
        document = {"version": "nines/v1", "service": "shop",
                    "slos": [{"name": name, "objective": 99.9, "window": "30d", "indicator": indicator}]}
        with open(os.path.join(folder, f"{name}.yaml"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


def write_rules(path, count, families):
    """Recording and alerting rules of the shape that Sloth generates: 17 for each SLO."""
    groups = []
    for name, metric, route, latency in objectives(count, families):
        groups += _groups(name, metric, route, latency)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": groups}, file, indent=1)


def _groups(name, metric, route, latency):
    labels = {"sloth_id": f"shop-{name}", "sloth_service": "shop", "sloth_slo": name}
    chosen = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    errors = [_record(f"slo:sli_error:ratio_rate{window}", _ratio(metric, route, latency, window),
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


def _ratio(metric, route, latency, window):
    if latency:
        good, total = f'{metric}_bucket{{{route},le="0.3"}}', f"{metric}_count{{{route}}}"
        return f"1 - ((sum(rate({good}[{window}]))) / (sum(rate({total}[{window}]))))"
    bad, total = f'{metric}{{{route},code="500"}}', f"{metric}{{{route}}}"
    return f"(sum(rate({bad}[{window}]))) / (sum(rate({total}[{window}])))"


def _record(record, expression, labels):
    return {"record": record, "expr": expression, "labels": labels}


def _alert(chosen, severity, conditions):
    def above(window, factor):
        return (f"max(slo:sli_error:ratio_rate{window}{{{chosen}}} > ({factor} * 0.001)) without (sloth_window)")

    expression = " or ".join(f"({above(short, factor)} and {above(long, factor)})" for short, long, factor in conditions)
    return {"alert": "SLOBurn", "expr": expression, "labels": {"sloth_severity": severity}}
