"""The soak finds the suites that are its own, and a failure counts."""

import sys
import unittest

from soak import Job, run, soak_tests

LISTING = """Mutex.
  IsHeldByOne
LeaseSoak.
  IsFenced
  IsNeverShared
Sqlite/MutexSoak.
  IsFenced/0  # GetParam() = "x"
SoakingWet.
  IsNoSoak
"""


class SoakTests(unittest.TestCase):
    def test_only_suites_that_end_in_soak_are_taken(self):
        self.assertEqual(soak_tests(LISTING), ["LeaseSoak.IsFenced", "LeaseSoak.IsNeverShared", "Sqlite/MutexSoak.IsFenced/0"])


class Run(unittest.TestCase):
    def job(self, code: str) -> Job:
        return Job("x", [sys.executable, "-c", code], {"TIDELOCK_SOAK_SECONDS": "1"}, "x")

    def test_the_exit_status_decides(self):
        self.assertTrue(run(self.job("import os; assert os.environ['TIDELOCK_SOAK_SECONDS'] == '1'"), 10))
        self.assertFalse(run(self.job("raise SystemExit(1)"), 10))


if __name__ == "__main__":
    unittest.main()
