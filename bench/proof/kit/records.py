"""What the oracle reads: the pages that were served and the visits that were committed."""

import bisect
import json
import re
import sys
from fractions import Fraction


class Pages:
    """What one target served, in order."""

    def __init__(self):
        self.pages, self.ends, self._times = [], {}, []
        # When nines was killed; shared by all targets.
        self.kills = ()
        # What each series had really counted at the target's end, where the target says so.
        self.final = None

    def add(self, entry):
        entry["values"] = {key: exact(value) for key, value in entry["values"].items()}
        if entry["kind"] == "end":
            self.ends[entry["life"]] = entry["values"]
            self.final = entry.get("truth")
        else:
            self.pages.append(entry)
            self._times.append(entry["at_ms"])

    def seen_by(self, visit, after, slack_ms=20_000):
        """The index of the page that a visit saw: the nearest one later than `after` on which every sample stands."""
        at = visit["at_ms"]
        first, last = bisect.bisect_left(self._times, at - slack_ms), bisect.bisect_right(self._times, at + slack_ms)
        near = sorted(range(max(first, after + 1), last), key=lambda index: abs(self._times[index] - at))
        wanted = visit["samples"]
        return next((index for index in near if all(self.pages[index]["values"].get(key) == value
                                                    for key, value in wanted.items())), None)

    def true_increase(self, before, after, key):
        """Events on one series from one page to a later one, all lives in between included."""
        life, values = (before["life"], before["values"]) if before else (after["life"], {})
        if life == after["life"]:
            return after["values"].get(key, values.get(key, 0)) - values.get(key, 0)
        lost = self.ends[life].get(key, 0) - values.get(key, 0)
        lost += sum(self.ends[between].get(key, 0) for between in range(life + 1, after["life"]))
        return lost + after["values"].get(key, 0)


def exact(value):
    """Whole numbers stay what they are, which is faster; nothing becomes a float."""
    return value if isinstance(value, int) else Fraction(str(value))


def read_lines(path):
    """JSON objects by line; a line that a kill cut short is left out, also where the next one was written behind it."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            for at in [found.start() for found in re.finditer(r'\{"', line)]:
                try:
                    entry = json.loads(line[at:], parse_float=Fraction)
                except ValueError:
                    continue
                if "kind" in entry:
                    yield entry
                break


def read_targets(pages_path, visit_paths, problems):
    """By URL: its pages and its commits in the order of their `seq`."""
    targets, layouts, kills = {}, {}, []
    for entry in read_lines(pages_path):
        if entry["kind"] == "kill":
            kills.append(entry["at_ms"])
            continue
        if entry["kind"] == "layout":
            layouts[entry["id"]] = [sys.intern(key) for key in entry["keys"]]
            continue
        if "layout" in entry:
            # Large fleets write their series once, and numbers in the same order for each page.
            keys = layouts[entry["layout"]]
            entry["values"] = dict(zip(keys, entry.pop("numbers")))
            entry["truth"] = dict(zip(keys, entry["truth"]))
        entry["life"], entry["at_ms"] = int(entry["life"]), int(entry["at_ms"])
        targets.setdefault(entry["url"], (Pages(), {}))[0].add(entry)
    for path in visit_paths:
        for entry in read_lines(path):
            seq = int(entry["seq"])
            if entry["url"] not in targets:
                problems.append(f"{entry['url']}: visited, but it served no page")
                continue
            for visit in entry["visits"]:
                visit["at_ms"] = int(visit["at_ms"])
                visit["samples"] = {sys.intern(key): value for key, value in visit["samples"].items()}
            if targets[entry["url"]][1].setdefault(seq, entry) is not entry:
                problems.append(f"{entry['url']}: seq {seq} was committed twice")
    for pages, _ in targets.values():
        pages.kills = kills
    ordered = lambda commits: [dict(commits[seq], seq=seq) for seq in sorted(commits)]  # noqa: E731
    return {url: (pages, ordered(commits)) for url, (pages, commits) in targets.items()}
