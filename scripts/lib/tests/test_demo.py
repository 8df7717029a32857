"""What scripts/demo makes of its days, its pipeline and its counts."""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import demo


class Days(unittest.TestCase):
    def test_weekends_and_holidays_are_no_market_days(self):
        holiday = datetime.date(2018, 1, 15)
        days = demo.market_days(9, {holiday})
        self.assertEqual(days[0], demo.FIRST_DAY)
        self.assertEqual(days[-1], datetime.date(2018, 1, 16))
        self.assertNotIn(holiday, days)
        self.assertTrue(all(day.weekday() < 5 for day in days))


class Unsafe(unittest.TestCase):
    def setUp(self):
        self.text = (demo.MARKET / "pipeline.toml").read_text(encoding="utf-8")

    def test_takes_group_overlap_and_replica_readers_out(self):
        unsafe = demo.make_unsafe(self.text, pathlib.Path("/market"))
        for gone in ("market-stats", "overlap =", '"--replica"'):
            self.assertNotIn(gone, "".join(line for line in unsafe.splitlines() if not line.startswith("#")))
        self.assertEqual(unsafe.count('"--master", "{work}/market.db"'), 2)

    def test_names_files_from_the_example_wherever_it_is_put(self):
        unsafe = demo.make_unsafe(self.text, pathlib.Path("/market"))
        self.assertIn('sql = "/market/sql/schema.sql"', unsafe)
        self.assertNotRegex(unsafe, '"(sql|data)/')

    def test_says_when_the_pipeline_has_changed_so_that_an_edit_finds_nothing(self):
        with self.assertRaises(ValueError):
            demo.make_unsafe(self.text.replace("overlap", "overlaps"), pathlib.Path("/market"))


# What stands for `tidelock`, and says that jobs have failed.
JOBS_FAIL = """#!/usr/bin/env python3
import json, pathlib, sys
if sys.argv[1] == "run":
    work = pathlib.Path(sys.argv[sys.argv.index("--work") + 1])
    reads = {"reads": 3, "reads_failed": 2, "reads_wrong": 0, "lock_conflicts": 2}
    ticks = {"ticks_published": 0, "ticks_received": 0, "ticks_out_of_order": 0}
    for program in ("producer", "monitor"):
        (work / f"{program}.json").write_text(json.dumps({**reads, **ticks}))
    print(json.dumps({"rows_skipped": 0, "runs": 9, "group_waits": 0, "replicas_published": 1}))
    sys.exit(1)
if sys.argv[2] == "query":
    print(json.dumps({"columns": ["days", "bars_loaded", "lost_updates"], "rows": [[1, 7, 5]]}))
"""


class JobsThatFail(unittest.TestCase):
    def demo(self, *options: str) -> subprocess.CompletedProcess:
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            (build / "tidelock").write_text(JOBS_FAIL, encoding="utf-8")
            (build / "tidelock").chmod(0o755)
            return subprocess.run([sys.executable, demo.__file__, "--build", build, "--work", build / "work", "--days",
                                   "1", "--json", *options], capture_output=True, text=True)

    def test_are_what_unsafe_is_about_and_are_counted(self):
        run = self.demo("--unsafe")
        self.assertEqual(run.returncode, 0, run.stderr)
        counts = json.loads(run.stdout)
        self.assertEqual((counts["lost_updates"], counts["lock_conflicts"]), (5, 4))

    def test_are_a_failure_otherwise(self):
        run = self.demo()
        self.assertEqual((run.returncode, run.stdout), (1, ""))


class Counts(unittest.TestCase):
    def setUp(self):
        self.counts = {key: 0 if should_be_0 else 7 for key, _, should_be_0 in demo.ROWS}

    def test_are_sound_when_nothing_was_lost(self):
        self.assertTrue(demo.is_sound(self.counts))
        self.assertNotIn("should be 0", demo.table(self.counts))

    def test_are_not_sound_when_anything_was(self):
        for key, _, should_be_0 in demo.ROWS:
            if should_be_0:
                self.assertFalse(demo.is_sound({**self.counts, key: 1}), key)
        self.assertFalse(demo.is_sound({**self.counts, "ticks_received": 6}))
        self.assertIn("should be 0", demo.table({**self.counts, "lost_updates": 1}))


class WorkFolder(unittest.TestCase):
    def test_is_emptied_only_when_it_is_the_demos(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder) / "work"
            demo.empty(work)
            (work / "demo.toml").touch()
            (work / "report.html").touch()
            demo.empty(work)
            self.assertEqual(list(work.iterdir()), [])
            (work / "thesis.txt").touch()
            with self.assertRaises(SystemExit):
                demo.empty(work)
            self.assertTrue((work / "thesis.txt").exists())


if __name__ == "__main__":
    unittest.main()
