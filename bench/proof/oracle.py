#!/usr/bin/env python3
"""The oracle: replays the committed visits by the counting rules and says what the ledger must hold.

It shares no code with nines and reads nothing of its store. It knows
  - the pages: what each target served, when, and the last values of each of its lives (see kit/target.py);
  - the visits: one line per successful commit and target, written by `nines serve --debug.visit-log=FILE`:
    {"kind":"commit","job","url","seq","visits":[{"at_ms","samples":{series key: value}}]},
    `seq` as it is after the commit;
  - the SLOs: {"id","total","bad" or "good","group_by"?,"loaded_at_ms"}.

A commit whose line is missing (nines was killed between the commit and the line) shows as a gap in `seq`. Any page that
was served in between may have been the one. Without a reset in between that makes no difference, as differences telescope;
with one, the oracle gives the least and the most that is possible.

    oracle.py --pages FILE --visits FILE… --slos FILE      prints JSON
"""

import argparse
import json
import sys
from collections import defaultdict
from fractions import Fraction

from kit.records import read_targets
from kit.selector import Slo

SAME_START_S = 5.0
LISTED_AFTER_START_MS = 600_000


class Cursor:
    """What one SLO remembers of one target: rules 1, 2, 3 and 5."""

    def __init__(self, slo):
        self._slo = slo
        self.last, self.start, self.known = {}, None, False

    def copy(self):
        other = Cursor(self._slo)
        other.last, other.start, other.known = dict(self.last), self.start, self.known
        return other

    def visit(self, values, start, at_ms):
        """Credits one visit, of which it gets what counts for its SLO; {series: credit}, and how many series were reset."""
        credits, resets = {}, 0
        from_zero = self.known or self._began_after_loading(start, at_ms)
        fallen = {key.split("{")[0] for key, value in values.items() if value < self.last.get(key, 0)}
        if fallen and self._restarted(start):
            for key in [key for key in self.last if key.split("{")[0] in fallen]:
                resets += 1
                del self.last[key]
        for key, value in values.items():
            before = self.last.get(key)
            if before is None:
                credits[key] = value if from_zero else 0
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


def replay(slo, targets, problems):
    """What the ledger must hold for one SLO: least, most, true, and what resets hid."""
    least, most, true, resets, recovered, endings = Sums(), Sums(), Sums(), 0, 0, 0
    for url, (pages, commits) in targets.items():
        cursor, truth, seen, seq, gap = Cursor(slo), Truth(slo, pages), -1, 0, False
        for commit in commits:
            gap = gap or commit["seq"] > max(seq, 0) + 1
            seq = commit["seq"]
            for visit in commit["visits"]:
                index = pages.seen_by(visit, seen)
                if index is None:
                    problems.append(f"{url} seq {seq}: no page explains the visit at {visit['at_ms']}")
                    continue
                page, before = pages.pages[index], pages.pages[seen] if seen >= 0 else None
                if gap:
                    low, high, count = _bounds(slo, cursor, pages.pages[seen + 1:index], page)
                else:
                    low, count = cursor.visit(slo.chosen(page), page["start"], page["at_ms"])
                    high = low
                true.add(slo, truth.visit(before, page, counts=bool(before or any(high.values()))))
                least.add(slo, low)
                most.add(slo, high)
                resets, recovered, seen, gap = resets + count, recovered + gap, index, False
        unsure = _unlogged(slo, cursor, pages, seen)
        most.add(slo, unsure)
        endings += any(unsure.values())
        if seen >= 0:
            for increase in truth.tail(pages.pages[seen]):
                true.add(slo, increase)
    return least, most, true, resets, recovered + endings


def _unlogged(slo, cursor, pages, seen):
    """The most that a last commit can have credited of which no line tells: nines was killed between the two, and the
    target was gone before it was back."""
    last = max((index for index, page in enumerate(pages.pages) if any(at > page["at_ms"] for at in pages.kills)), default=-1)
    most = defaultdict(int)
    for index in range(seen + 1, last + 1):
        _, high, _ = _bounds(slo, cursor.copy(), pages.pages[seen + 1:index], pages.pages[index])
        for key, credit in high.items():
            most[key] = max(most[key], credit)
    return most


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


def _bounds(slo, cursor, between, page):
    """The least and the most that the missing commit and this visit can have credited, per series.

    At a baseline it matters which page was the first: all pairs are tried.
    """
    if cursor.known:
        # Who sees more pages never counts less: a fall that nobody saw is the only thing that can be missing.
        every = cursor.copy()
        high, resets = defaultdict(int), 0
        for seen in (*between, page):
            credits, count = every.visit(slo.chosen(seen), seen["start"], seen["at_ms"])
            resets += count
            for key, credit in credits.items():
                high[key] += credit
        low, _ = cursor.visit(slo.chosen(page), page["start"], page["at_ms"])
        return low, high, resets
    outcomes = []
    for first in between or [None]:
        later = [other for other in between if first is None or other["at_ms"] > first["at_ms"]]
        for second in [None, *(other for other in later if first is not None and other["life"] > first["life"])]:
            trial, total, resets = cursor.copy(), defaultdict(int), 0
            for seen in filter(None, (first, second, page)):
                credits, count = trial.visit(slo.chosen(seen), seen["start"], seen["at_ms"])
                resets += count
                for key, credit in credits.items():
                    total[key] += credit
            outcomes.append((total, resets, trial))
    keys = {key for total, *_ in outcomes for key in total}
    cursor.last, cursor.start, cursor.known = outcomes[0][2].last, outcomes[0][2].start, True
    low = {key: min(total.get(key, 0) for total, *_ in outcomes) for key in keys}
    high = {key: max(total.get(key, 0) for total, *_ in outcomes) for key in keys}
    return low, high, max(count for _, count, _ in outcomes)


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
    for slo in slos:
        answers.extend(answer(slo, targets, problems))
    commits = sum(len(commits) for _, commits in targets.values())
    visits = sum(len(commit["visits"]) for _, found in targets.values() for commit in found)
    json.dump({"slos": answers, "problems": sorted(set(problems)), "commits": commits, "visits": visits}, sys.stdout)
    print()
    return 1 if problems else 0


def answer(slo, targets, problems):
    least, most, true, resets, recovered = replay(slo, targets, problems)
    for group in sorted(most.by_group, key=lambda group: (group is not None, group)):
        labels = zip(slo.group_by, group or ())
        suffix = "" if group is None else "{" + ",".join(f'{label}="{value}"' for label, value in labels) + "}"
        (low, low_good), (high, high_good) = as_counts(slo, least, group), as_counts(slo, most, group)
        yield {"id": slo.id + suffix, "total": [str(low), str(high)],
               "good": sorted((str(low_good), str(high_good)), key=Fraction),
               "true": str(as_counts(slo, true, group)[0]), "resets": resets if group is None else None,
               "recovered": recovered if group is None else None}


if __name__ == "__main__":
    sys.exit(main())
