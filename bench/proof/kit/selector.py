"""SLOs as far as counting needs them: selectors, and which series counts for what."""

import re

SERIES = re.compile(r"^([^{]*)(?:\{(.*)\})?$", re.S)
LABEL = re.compile(r'([^=,\s]+?)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')
OPERATORS = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value, re.S) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value, re.S) is None,
}
UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


def unescape(text):
    return re.sub(r"\\(.)", lambda found: UNESCAPED.get(found.group(1), found.group(0)), text, flags=re.S)


def parse(text):
    """`name{a="b",c=~"d"}` → (name, [(label, operator, value)])."""
    name, inside = SERIES.match(text.strip()).groups()
    return name, [(label, operator, unescape(value)) for label, operator, value in LABEL.findall(inside or "")]


class Slo:
    """One SLO as its file has it, as far as counting needs it."""

    def __init__(self, spec):
        self.id, self.loaded_at_ms = spec["id"], spec.get("loaded_at_ms", 0)
        if "latency" in spec:
            spec = dict(spec, **_of_histogram(spec["latency"], spec["threshold"]))
        self.total, self.part = parse(spec["total"]), parse(spec.get("bad") or spec["good"])
        self.part_is_bad = "bad" in spec
        self.group_by = spec.get("group_by", [])
        self._known, self._chosen = {}, {}

    def chosen(self, page):
        """The values of a page that count for this SLO."""
        layout, values = page.get("layout"), page["values"]
        if layout is None:
            return {key: value for key, value in values.items() if any(self.roles(key)[:2])}
        if layout not in self._chosen:
            self._chosen[layout] = [key for key in values if any(self.roles(key)[:2])]
        return {key: values[key] for key in self._chosen[layout]}

    def roles(self, key):
        """Whether a series counts towards the total, towards the other selector, and for which group."""
        if key not in self._known:
            name, labels = parse(key)
            labels = {label: value for label, _, value in labels}
            group = tuple(labels.get(label, "") for label in self.group_by)
            self._known[key] = (_selects(self.total, name, labels), _selects(self.part, name, labels), group)
        return self._known[key]


def _of_histogram(selector, threshold):
    """Rule 8 where a page always has both: good is the bucket at the threshold, in seconds, total is the count."""
    metric, braces, matchers = selector.partition("{")
    bound = f'le="{threshold.removesuffix("s")}"' + ("," if braces else "}")
    return {"total": f"{metric}_count{braces}{matchers}", "good": f"{metric}_bucket{{{bound}{matchers}"}


def _selects(selector, name, labels):
    metric, matchers = selector
    # `job` and `instance` come from the target; every target of a run belongs to the job that is asked for.
    own = [matcher for matcher in matchers if matcher[0] not in ("job", "instance")]
    return (not metric or metric == name) and all(OPERATORS[op](labels.get(label, ""), to) for label, op, to in own)
