"""ctest's report is summed up rightly; above all, what did not run has not passed."""

import unittest

from run_tests import left_out, summarize


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

    def test_a_test_whose_program_is_missing_has_failed(self):
        self.assertEqual(summarize(report(MISSING)).line(), "0 passed, 1 failed, 0 skipped")


class LeftOut(unittest.TestCase):
    TEXT = "# why\n\ntsan room/Suite.Test  it forks\nasan room/Other.*  it is slow there\n"

    def test_only_what_concerns_the_sanitizer_is_left_out_with_its_reason(self):
        self.assertEqual(left_out(self.TEXT, "tsan"), [("room/Suite.Test", "it forks")])

    def test_another_word_than_a_sanitizer_is_a_mistake(self):
        self.assertRaises(ValueError, left_out, "msan room/Suite.Test why", "asan")


if __name__ == "__main__":
    unittest.main()
