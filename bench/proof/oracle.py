#!/usr/bin/env python3
"""The oracle: replays the committed visits by the counting rules and says what the ledger must hold.

It shares no code with nines and reads nothing of its store. It knows
  - the pages: what each target served, when, and the last values of each of its lives (see kit/target.py);
  - the visits: what `nines serve --debug.visit-log=FILE` writes before and after each commit (see README.md);
  - the SLOs: {"id","total","bad" or "good","group_by"?,"loaded_at_ms"}.

A commit of which nothing but its beginning is written (nines was killed, or lost its connection) took effect when a later
line shows a `seq` that comes after it.

    oracle.py --pages FILE --visits FILE… --slos FILE      prints JSON
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from fractions import Fraction

from kit.records import read_targets
from kit.selector import Slo

SAME_START_S = 5.0
JITTER = Fraction(1, 100)
LISTED_AFTER_START_MS = 600_000


def metric(key):
    """A series' metric; a histogram's buckets, count and sum are one."""
    return re.sub("_(total|bucket|count|sum)$", "", key.split("{")[0])


class Cursor:
    """What one SLO remembers of one target: rules 1, 2, 3 and 5."""

    def __init__(self, slo):
        self._slo = slo
        self.last, self.start, self.known = {}, None, False

    def visit(self, values, start, at_ms):
        """Credits one visit, of which it gets what counts for its SLO; {series: credit}, and how many series were reset."""
        credits, resets = {}, 0
        from_zero = self.known or self._began_after_loading(start, at_ms)
        fallen = {metric(key) for key, value in values.items() if value < self.last.get(key, 0)}
        if fallen and self._restarted(start):
            for key in [key for key in self.last if metric(key) in fallen]:
                resets += 1
                del self.last[key]
        for key, value in values.items():
            before = self.last.get(key)
            if before is None:
                credits[key] = value if from_zero else 0
            elif value < before and self._jitters(before, value, start):
                credits[key] = 0
                continue
            elif value < before:
                resets += 1
                credits[key] = value
            else:
                credits[key] = value - before
            self.last[key] = value
        self.start, self.known = start, True
        return credits, resets

    def _began_after_loading(self, start, at_ms):
        if start is None or start * 1000 < self._slo.loaded_at_ms:
            return False
        return at_ms - start * 1000 <= LISTED_AFTER_START_MS

    def _jitters(self, before, value, start):
        same = start is not None and self.start is not None and abs(start - self.start) <= SAME_START_S
        return same and before - value < before * JITTER

    def _restarted(self, start):
        return start is not None and self.start is not None and start > self.start + SAME_START_S


class Sums:
    """Totals and parts by group; the group `None` is the SLO itself."""

    def __init__(self):
        self.by_group = defaultdict(lambda: [0, 0])

    def add(self, slo, credits):
        for key, credit in credits.items():
            is_total, is_part, group = slo.roles(key)
            for place in (None, group) if slo.group_by else (None,):
                self.by_group[place][0] += credit if is_total else 0
                self.by_group[place][1] += credit if is_part else 0


def find_pages(targets, problems):
    """Notes for each visit which page it saw; a visit that none explains is left out."""
    for url, (pages, commits) in targets.items():
        seen = -1
        for commit in commits:
            for visit in commit["visits"]:
                visit["page"] = pages.seen_by(visit, seen)
                if visit["page"] is None:
                    problems.append(f"{url} seq {commit['seq']}: no page explains the visit at {visit['at_ms']}")
                else:
                    seen = visit["page"]
            commit["visits"] = [visit for visit in commit["visits"] if visit["page"] is not None]


def replay(slo, targets):
    """What the ledger must hold for one SLO, what really happened, and how many series were reset."""
    expected, true, resets = Sums(), Sums(), 0
    for pages, commits in targets.values():
        cursor, truth, seen = Cursor(slo), Truth(slo, pages), -1
        for commit in commits:
            for visit in commit["visits"]:
                index = visit["page"]
                page, before = pages.pages[index], pages.pages[seen] if seen >= 0 else None
                credits, count = cursor.visit(slo.chosen(page), page["start"], page["at_ms"])
                if not commit["refused"]:
                    expected.add(slo, credits)
                true.add(slo, truth.visit(before, page, counts=bool(before or any(credits.values()))))
                resets, seen = resets + count, index
        if seen >= 0:
            for increase in truth.tail(pages.pages[seen]):
                true.add(slo, increase)
    return expected, true, resets


class Truth:
    """What really happened on the series of one SLO and target, resets or not."""

    def __init__(self, slo, pages):
        self._slo, self._pages, self._last = slo, pages, {}

    def visit(self, before, page, counts):
        """{series: events} from one committed visit to the next; `before` is none at the first, which may be a baseline."""
        if "truth" not in page:
            keys = self._keys(before, page) if counts else ()
            return {key: self._pages.true_increase(before, page, key) for key in keys}
        now = {key: page["truth"][key] for key in self._slo.chosen(page)}
        increase = {key: value - self._last.get(key, 0) for key, value in now.items()} if counts else {}
        self._last.update(now)
        return increase

    def tail(self, last):
        """What a target counted between its last committed visit and its end is lost, as after a reset (rule 9)."""
        if self._pages.final is not None:
            yield {key: value - self._last.get(key, 0) for key, value in self._pages.final.items()
                   if any(self._slo.roles(key)[:2])}
            return
        for life in [life for life in self._pages.ends if life >= last["life"]]:
            before = last["values"] if life == last["life"] else {}
            yield {key: value - before.get(key, 0) for key, value in self._pages.ends[life].items()}

    def _keys(self, before, page):
        keys = set(page["values"]) | set(before["values"] if before else ())
        for life in range(before["life"] if before else page["life"], page["life"]):
            keys |= set(self._pages.ends[life])
        return keys


def as_counts(slo, sums, group):
    """(total, good) of a group, as numbers that JSON can hold exactly: text."""
    total, part = sums.by_group.get(group, (0, 0))
    return total, (total - part if slo.part_is_bad else part)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", required=True)
    parser.add_argument("--visits", required=True, nargs="+")
    parser.add_argument("--slos", required=True)
    arguments = parser.parse_args()
    problems, answers = [], []
    targets = read_targets(arguments.pages, arguments.visits, problems)
    with open(arguments.slos, encoding="utf-8") as file:
        slos = [Slo(spec) for spec in json.load(file)]
    find_pages(targets, problems)
    for slo in slos:
        answers.extend(answer(slo, targets))
    found = [commit for _, commits in targets.values() for commit in commits]
    json.dump({"slos": answers, "problems": problems, "commits": len(found),
               "visits": sum(len(commit["visits"]) for commit in found),
               "recovered": sum(commit["recovered"] for commit in found)}, sys.stdout)
    print()
    return 1 if problems else 0


def answer(slo, targets):
    expected, true, resets = replay(slo, targets)
    for group in sorted(expected.by_group, key=lambda group: (group is not None, group)):
        labels = zip(slo.group_by, group or ())
        suffix = "" if group is None else "{" + ",".join(f'{label}="{value}"' for label, value in labels) + "}"
        total, good = as_counts(slo, expected, group)
        yield {"id": slo.id + suffix, "total": str(total), "good": str(good),
               "true": str(as_counts(slo, true, group)[0]), "resets": resets if group is None else None}


if __name__ == "__main__":
    sys.exit(main())
