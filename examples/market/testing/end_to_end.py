#!/usr/bin/env python3
"""The whole example over ten market days: nothing is lost, and every table is what the raw files say. Then over three
without what Tidelock does: the same counting sees updates that are lost, and programs that are locked out.

usage: end_to_end.py --build DIR     (ctest calls it so)
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import report_in_browser

MARKET = pathlib.Path(__file__).resolve().parents[1]
DEMO = MARKET.parents[1] / "scripts" / "lib" / "demo.py"
BUILD = None


def demo(work, *options):
    """Its exit status and what it has counted."""
    run = subprocess.run([sys.executable, DEMO, "--build", BUILD, "--json", "--work", work, *options],
                         stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")
    return run.returncode, json.loads(run.stdout)


class TenDays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name) / "work"
        cls.exit_status, cls.counts = demo(cls.work, "--days", "10", "--day", "800ms")

    def test_nothing_is_lost_and_nobody_is_locked_out(self):
        for key in ("reads_failed", "reads_wrong", "ticks_out_of_order", "lost_updates", "lock_conflicts"):
            self.assertEqual(self.counts[key], 0, key)
        self.assertEqual(self.counts["ticks_received"], self.counts["ticks_published"])
        self.assertEqual(self.exit_status, 0)

    def test_the_jobs_did_overlap_and_the_readers_did_read(self):
        self.assertEqual(self.counts["days"], 10)
        self.assertEqual(self.counts["rows_skipped"], 3)
        for key in ("group_waits", "reads", "replicas_published"):
            self.assertGreater(self.counts[key], 0, key)
        self.assertGreaterEqual(self.counts["ticks_published"], 10 * 12 * 60)

    def test_every_table_is_what_the_raw_files_say_and_a_row_that_is_missing_in_one_is_found(self):
        tables = self.work / "tables"
        tidelock = pathlib.Path(BUILD) / "tidelock"
        subprocess.run([tidelock, "replica", "query", self.work / "final", f"export database '{tables}' (format csv)"],
                       check=True)
        verified = subprocess.run([sys.executable, MARKET / "verify.py", tables], stdout=subprocess.PIPE, text=True)
        self.assertEqual(verified.returncode, 0, verified.stdout)

        own = [path for path in tables.glob("*.csv") if not path.name.startswith("tidelock_")]
        for path in own:
            path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
        damaged = subprocess.run([sys.executable, MARKET / "verify.py", tables, "--json"], stdout=subprocess.PIPE,
                                 text=True)
        self.assertEqual(damaged.returncode, 1)
        different = json.loads(damaged.stdout)["different"]
        self.assertEqual({kind for kind, count in different.items() if count > 0}, {path.stem for path in own})

    def test_the_report_shows_the_watchlist_with_its_charts(self):
        page = (self.work / "report.html").read_text(encoding="utf-8")
        self.assertIn("Wednesday, 17 January 2018", page)
        self.assertEqual(page.count('class="chart"'), 12)
        self.assertNotIn("<script", page)

    def test_the_report_is_drawn_in_a_browser_which_has_nothing_to_complain_of(self):
        program = report_in_browser.installed()
        if program is None:
            self.skipTest(f"none of these is installed: {', '.join(report_in_browser.BROWSERS)}")
        with report_in_browser.Browser(program) as browser:
            browser.show("data:text/html,<script>console.error('what is wrong')</script>",
                         report_in_browser.SCREENS["phone"])
            self.assertEqual(browser.said, ["what is wrong"])
            self.assertFalse(report_in_browser.is_drawn(browser.picture()))
            self.assertEqual(report_in_browser.complaints(browser, self.work / "report.html", self.work), [])


class Unsafe(unittest.TestCase):
    MOST_ATTEMPTS = 4  # An update is lost when two jobs meet, which they do in most runs, and need not in any.

    def test_the_same_counting_sees_updates_that_are_lost_and_programs_that_are_locked_out(self):
        for _ in range(self.MOST_ATTEMPTS):
            with tempfile.TemporaryDirectory() as folder:
                exit_status, counts = demo(pathlib.Path(folder) / "work", "--unsafe", "--days", "3", "--day", "400ms")
            self.assertEqual(exit_status, 0)
            self.assertEqual(counts["days"], 3)
            self.assertEqual(counts["group_waits"], 0)
            self.assertGreater(counts["lock_conflicts"], 0)
            self.assertGreaterEqual(counts["reads_failed"], counts["lock_conflicts"])
            if counts["lost_updates"] > 0:
                return
        self.fail(f"no update was lost in {self.MOST_ATTEMPTS} runs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    BUILD = parser.parse_args().build
    unittest.main(argv=sys.argv[:1])
