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
    targets, layouts = {}, {}
    for entry in read_lines(pages_path):
        if entry["kind"] == "layout":
            layouts[entry["id"]] = [sys.intern(key) for key in entry["keys"]]
            continue
        if "layout" in entry:
            # Large fleets write their series once, and numbers in the same order for each page.
            keys = layouts[entry["layout"]]
            entry["values"] = dict(zip(keys, entry.pop("numbers")))
            entry["truth"] = dict(zip(keys, entry["truth"]))
        entry["life"], entry["at_ms"] = int(entry["life"]), int(entry["at_ms"])
        targets.setdefault(entry["url"], (Pages(), Commits()))[0].add(entry)
    lines = [entry for path in visit_paths for entry in read_lines(path)]
    # The order within a file is that of time; of several daemons one writes after the other.
    for entry in sorted(lines, key=lambda entry: entry.get("epoch", 0)):
        url = entry["url"] if "url" in entry else entry["target"].rpartition(" ")[2]
        if url in targets:
            targets[url][1].add(entry)
        elif entry["kind"] != "cursor":
            problems.append(f"{url}: visited, but it served no page")
    return {url: (pages, commits.settled(url, problems)) for url, (pages, commits) in targets.items()}


class Commits:
    """What the log says of one target's commits, line by line."""

    def __init__(self):
        self._done, self._begun, self._twice = {}, {}, []
        self._recovered, self._cursor = set(), None

    def add(self, entry):
        kind, seq = entry["kind"], int(entry["seq"])
        # Whoever counts from a cursor has read it: every commit up to it has taken effect.
        self._take_effect(seq if kind == "cursor" else seq - 1)
        self._cursor = seq if kind == "cursor" else None
        if kind == "begin":
            self._begun.setdefault(seq, []).append(entry)
        elif kind == "failed":
            # What was begun before it, and ended unheard, may have been in its way.
            self._begun[seq].pop()
        elif kind == "commit":
            self._begun.pop(seq, None)
            if self._done.setdefault(seq, entry) is not entry:
                self._twice.append(seq)

    def _take_effect(self, until):
        for seq in [seq for seq in self._begun if seq <= until]:
            begun = self._begun.pop(seq)
            if begun:
                self._done[seq] = begun[-1]
                self._recovered.add(seq)

    def settled(self, url, problems):
        """The commits that took effect, in the order of their `seq`."""
        problems += [f"{url}: seq {seq} was committed twice" for seq in self._twice]
        # A cursor that was read last tells that what was begun after it never took effect.
        if any(self._begun.values()) and self._cursor is None:
            problems.append(f"{url}: nothing tells what became of seq {max(self._begun)}")
        missing = set(range(1, max(self._done, default=0) + 1)) - set(self._done)
        if missing:
            problems.append(f"{url}: no line tells of seq {min(missing)}")
        found = []
        for seq in sorted(self._done):
            visits = [dict(visit, at_ms=int(visit["at_ms"]),
                           samples={sys.intern(key): value for key, value in visit["samples"].items()})
                      for visit in self._done[seq]["visits"]]
            found.append({"seq": seq, "visits": visits, "recovered": seq in self._recovered,
                          "refused": self._done[seq].get("refused", False)})
        return found
