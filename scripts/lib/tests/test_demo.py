"""What scripts/demo makes of its days, its pipeline and its counts."""

import datetime
import pathlib
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
