"""ctest's report is summed up rightly; above all, what did not run has not passed."""

import unittest

from run_tests import UNSTEADY_MAX, Summary, left_out, summarize


def report(*cases: str) -> str:
    return f'<?xml version="1.0"?><testsuite>{"".join(cases)}</testsuite>'


PASSED = '<testcase name="a" status="run"/>'
FAILED = '<testcase name="b" status="fail"><failure message=""/><system-out>why</system-out></testcase>'
SKIPPED = ('<testcase name="c" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
           "<system-out>x.cc:4: Skipped\nno server\n[  SKIPPED ] c</system-out></testcase>")
DISABLED = '<testcase name="d" status="disabled"/>'
MISSING = '<testcase name="e" status="notrun"><skipped message="Unable to find executable: x"/></testcase>'


class Summarize(unittest.TestCase):
    def test_passed_failed_and_skipped_are_counted(self):
        self.assertEqual(summarize(report(PASSED, PASSED, FAILED, SKIPPED, DISABLED)).line(), "2 passed, 1 failed, 2 skipped")

    def test_a_failure_keeps_its_output_and_a_skip_its_reason(self):
        summary = summarize(report(FAILED, SKIPPED))
        self.assertEqual(summary.failed, [("b", "why")])
        self.assertEqual(summary.skipped, [("c", "no server")])
        document = SKIPPED.replace("x.cc:4: Skipped\nno server\n[  SKIPPED ] c", "skipped: a.md:2 needs duckdb")
        self.assertEqual(summarize(report(document)).skipped, [("c", "a.md:2 needs duckdb")])

    def test_a_test_whose_program_is_missing_has_failed(self):
        self.assertEqual(summarize(report(MISSING)).line(), "0 passed, 1 failed, 0 skipped")


class Unsteady(unittest.TestCase):
    def test_what_passes_alone_has_passed_and_keeps_what_it_said_before(self):
        summary = Summary(passed=5, failed=[("a", "why"), ("b", "why too")])
        summary.take_again(Summary(passed=1, failed=[("b", "again")]))
        self.assertEqual(summary.line(), "6 passed, 1 failed, 0 skipped")
        self.assertEqual(summary.unsteady, [("a", "why")])
        self.assertEqual(summary.failed, [("b", "again")])

    def test_what_did_not_run_again_has_failed(self):
        for alone in (Summary(), Summary(skipped=[("a", "no server")])):
            summary = Summary(passed=5, failed=[("a", "why")])
            summary.take_again(alone)
            self.assertEqual((summary.line(), summary.unsteady), ("5 passed, 1 failed, 0 skipped", []))

    def test_many_failures_are_not_run_again(self):
        failed = [(str(i), "why") for i in range(UNSTEADY_MAX)]
        self.assertTrue(Summary(failed=failed).may_be_unsteady())
        self.assertFalse(Summary(failed=[*failed, ("one more", "why")]).may_be_unsteady())
        self.assertFalse(Summary().may_be_unsteady())


class LeftOut(unittest.TestCase):
    TEXT = "# why\n\ntsan room/Suite.Test  it forks\nasan room/Other.*  it is slow there\n"

    def test_only_what_concerns_the_sanitizer_is_left_out_with_its_reason(self):
        self.assertEqual(left_out(self.TEXT, "tsan"), [("room/Suite.Test", "it forks")])

    def test_another_word_than_a_sanitizer_is_a_mistake(self):
        self.assertRaises(ValueError, left_out, "msan room/Suite.Test why", "asan")


if __name__ == "__main__":
    unittest.main()
