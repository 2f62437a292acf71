"""The oracle on small, written-out histories: each a sentence, the pages, the commits, and what must come out."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

ORACLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle.py")
URL = "http://127.0.0.1:1/metrics"
OK, BAD, LATE = 'm_total{code="200"}', 'm_total{code="500"}', 'm_total{code="200",late="1"}'
SLO = {"id": "s/a", "total": 'm_total{job="j"}', "bad": 'm_total{job="j",code=~"5.."}', "loaded_at_ms": 50_000}


def page(at, values, life=0, start=10):
    return {"kind": "page", "url": URL, "life": life, "at_ms": at * 1000, "start": start, "values": values}


def end(at, values, life=0):
    return {"kind": "end", "url": URL, "life": life, "at_ms": at * 1000, "values": values}


def commit(seq, *visits):
    found = [{"at_ms": at * 1000 + 5, "samples": values} for at, values in visits]
    return {"kind": "commit", "job": "j", "url": URL, "seq": seq, "visits": found}


def begin(entry):
    return dict(entry, kind="begin")


def failed(entry):
    return dict(entry, kind="failed")


def cursor(seq):
    return {"kind": "cursor", "target": f"j {URL}", "seq": seq}


def verdict(pages, commits, slo=None, torn=""):
    """The oracle's answer for one SLO, and its problems."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, name) for name in ("pages", "visits", "slos")}
        lines = {"pages": pages, "visits": commits}
        for name, entries in lines.items():
            with open(paths[name], "w", encoding="utf-8") as file:
                file.write(torn if name == "visits" else "")
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        with open(paths["slos"], "w", encoding="utf-8") as file:
            json.dump([dict(SLO, **(slo or {}))], file)
        command = [sys.executable, ORACLE, *(part for name, path in paths.items() for part in (f"--{name}", path))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        answer = json.loads(done.stdout)
        return answer["slos"], answer["problems"]


class Oracle(unittest.TestCase):
    def expect(self, pages, commits, total, good, true, problems=0, **more):
        slos, found = verdict(pages, commits, **more)
        self.assertEqual((slos[0]["total"], slos[0]["good"], slos[0]["true"], len(found)),
                         (total, good, true, problems), found)
        return slos

    def test_the_first_visit_is_a_baseline_and_differences_telescope(self):
        values = [{OK: 100, BAD: 7}, {OK: 130, BAD: 7}, {OK: 150, BAD: 9}]
        pages = [page(100 + at, found) for at, found in enumerate(values)]
        self.expect(pages, [commit(1, (100, values[0])), commit(2, (101, values[1]), (102, values[2]))],
                    "52", "50", "52")

    def test_pages_between_commits_need_not_be_visits(self):
        values = [{OK: 100}, {OK: 130}, {OK: 150}]
        pages = [page(100 + at, found) for at, found in enumerate(values)]
        self.expect(pages, [commit(1, (100, values[0])), commit(2, (102, values[2]))], "50", "50", "50")

    def test_a_late_series_counts_from_zero(self):
        pages = [page(100, {OK: 5}), page(101, {OK: 5, LATE: 40})]
        self.expect(pages, [commit(1, (100, {OK: 5})), commit(2, (101, {OK: 5, LATE: 40}))],
                    "40", "40", "40")

    def test_a_target_that_began_after_loading_counts_from_zero(self):
        self.expect([page(100, {OK: 5}, start=90)], [commit(1, (100, {OK: 5}))], "5", "5", "5")

    def test_a_reset_counts_from_zero_and_what_it_hid_is_lost(self):
        pages = [page(100, {OK: 100}), end(101, {OK: 130}), page(102, {OK: 8}, life=1, start=101)]
        slos = self.expect(pages, [commit(1, (100, {OK: 100})), commit(2, (102, {OK: 8}))],
                           "8", "8", "38")
        self.assertEqual(slos[0]["resets"], 1)

    def test_one_fallen_series_with_a_newer_start_resets_its_metric_absent_series_included(self):
        seen = [{OK: 100, BAD: 3, LATE: 50}, {OK: 120, BAD: 1}, {OK: 120, BAD: 1, LATE: 60}]
        pages = [page(100, seen[0]), end(101, seen[0]), page(102, seen[1], life=1, start=101),
                 page(103, seen[2], life=1, start=101)]
        commits = [commit(seq + 1, visit) for seq, visit in enumerate(zip((100, 102, 103), seen))]
        self.expect(pages, commits,
                    "181", "180", "181")

    def test_a_histogram_whose_count_fell_is_reset_though_its_bucket_did_not_fall(self):
        count, bucket = "d_seconds_count", 'd_seconds_bucket{le="0.05"}'
        slo, seen = {"total": count, "bad": bucket}, [{count: 77, bucket: 7}, {count: 49, bucket: 14}]
        pages = [page(100, seen[0]), end(101, seen[0]), page(102, seen[1], life=1, start=101)]
        self.expect(pages, [commit(1, (100, seen[0])), commit(2, (102, seen[1]))], "49", "35", "49", slo=slo)

    def test_a_newer_start_alone_resets_nothing(self):
        pages = [page(100, {OK: 10}), end(101, {OK: 10}), page(102, {OK: 30}, life=1, start=101)]
        self.expect(pages, [commit(1, (100, {OK: 10})), commit(2, (102, {OK: 30}))], "20", "20", "30")

    def test_a_commit_without_a_line_is_known_by_its_beginning_and_what_comes_after_it(self):
        pages = [page(100, {OK: 100}), page(101, {OK: 130}), end(102, {OK: 140}),
                 page(103, {OK: 8}, life=1, start=102)]
        first, second, third = (commit(1, (100, {OK: 100})), commit(2, (101, {OK: 130})), commit(3, (103, {OK: 8})))
        lost = commit(2, (103, {OK: 8}))
        cases = [
            ("a later commit", [first, begin(second), third], "38"),
            ("a cursor", [first, begin(second), cursor(2)], "30"),
            ("a cursor from before it", [first, begin(second), cursor(1)], "0"),
            ("the attempt that was begun last", [first, begin(second), cursor(1), begin(lost), cursor(2)], "8"),
            ("the attempt that did not fail", [first, begin(second), cursor(1), begin(lost), failed(lost), cursor(2)], "30"),
            ("the next process", [dict(third, epoch=2), first, begin(second)], "38"),
        ]
        for what, lines, total in cases:
            with self.subTest(what):
                found, problems = verdict(pages, lines)
                self.assertEqual((found[0]["total"], problems), (total, []))

    def test_a_commit_of_which_nothing_tells_is_a_problem(self):
        pages = [page(100, {OK: 1}), page(101, {OK: 4})]
        self.expect(pages, [commit(1, (100, {OK: 1})), commit(3, (101, {OK: 4}))], "3", "3", "3", problems=1)
        self.expect(pages, [commit(1, (100, {OK: 1})), begin(commit(2, (101, {OK: 4})))], "0", "0", "0", problems=1)

    def test_events_that_the_store_refused_move_the_cursor_only(self):
        pages = [page(100 + at, {OK: value}) for at, value in enumerate((1, 4, 9))]
        refused = dict(commit(2, (101, {OK: 4})), refused=True)
        self.expect(pages, [commit(1, (100, {OK: 1})), refused, commit(3, (102, {OK: 9}))], "5", "5", "8")

    def test_a_fall_of_less_than_a_percent_is_jitter(self):
        pages = [page(100 + at, {OK: value}) for at, value in enumerate((1000, 995, 1003))]
        lines = [commit(1 + at, (100 + at, {OK: value})) for at, value in enumerate((1000, 995, 1003))]
        self.expect(pages, lines, "3", "3", "3")

    def test_a_line_cut_short_by_a_kill_is_a_commit_that_was_not_begun(self):
        pages = [page(100, {OK: 1}), page(101, {OK: 4})]
        self.expect(pages, [commit(1, (100, {OK: 1})), commit(2, (101, {OK: 4}))], "3", "3", "3",
                    torn='{"kind":"begin","job":"j","url":"http://127.0.0.1:1/metrics","seq":9,"visits":[{"at_')

    def test_a_stopped_target_loses_what_came_after_its_last_commit(self):
        pages = [page(100, {OK: 1}), page(101, {OK: 4}), end(102, {OK: 9, BAD: 2})]
        self.expect(pages, [commit(1, (100, {OK: 1})), commit(2, (101, {OK: 4}))], "3", "3", "10")

    def test_a_visit_that_no_page_explains_is_a_problem(self):
        self.expect([page(100, {OK: 1})], [commit(1, (100, {OK: 1})), commit(2, (100, {OK: 2}))],
                    "0", "0", "0", problems=1)

    def test_a_seq_that_was_committed_twice_is_a_problem(self):
        self.expect([page(100, {OK: 1}), page(101, {OK: 2})], [commit(1, (100, {OK: 1})), commit(1, (101, {OK: 2}))],
                    "0", "0", "0", problems=1)

    def test_groups_add_up_to_the_slo(self):
        pages = [page(100, {OK: 1, BAD: 1}), page(101, {OK: 4, BAD: 2})]
        commits = [commit(1, (100, {OK: 1, BAD: 1})), commit(2, (101, {OK: 4, BAD: 2}))]
        slos = self.expect(pages, commits, "4", "3", "4", slo={"group_by": ["code"]})
        self.assertEqual([(slo["id"], slo["total"], slo["good"]) for slo in slos[1:]],
                         [('s/a{code="200"}', "3", "3"), ('s/a{code="500"}', "1", "0")])


if __name__ == "__main__":
    unittest.main()
