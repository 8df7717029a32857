"""Tests that run with their suite are told apart, also when one of them ends the process of all."""

import json
import os
import stat
import tempfile
import unittest

from run_tests import summarize_suites
from suites import outcomes, run, suites_of

PROGRAM = """#!/bin/sh
# Says what a GoogleTest program says of the tests a to e of the suite S, of which b fails, c skips and d dies.
names=$(printf '%s' "$1" | sed 's/--gtest_filter=//; s/:/ /g')
for name in $names; do
  echo "[ RUN      ] $name"
  case $name in
    S.b) echo 'x.cc:1: Failure'; echo "[  FAILED  ] $name, where GetParam() = 1 (2 ms)" ;;
    S.c) printf 'x.cc:4: Skipped\\nno server\\n\\n'; echo "[  SKIPPED ] $name (0 ms)" ;;
    S.d) echo 'going'; exit 1 ;;
    S.nests) echo '[ RUN      ] T.other'; exit 1 ;;
    *) printf 'no line end'; echo "[       OK ] $name (1 ms)" ;;
  esac
done
[ "$names" != S.leaks ] || exit 23
"""


def listing(program: str, *names: str) -> str:
    return json.dumps({"tests": [
        {"name": f"room/{name}", "command": [program, f"--gtest_filter={name}"],
         "properties": [{"name": "LABELS", "value": ["unit"]}, {"name": "WORKING_DIRECTORY", "value": "/"}]}
        for name in names]})


class Suites(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.program = os.path.join(folder.name, "room_test")
        with open(self.program, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        os.chmod(self.program, os.stat(self.program).st_mode | stat.S_IXUSR)

    def outcomes_of(self, *names: str) -> dict[str, str]:
        suite, = suites_of(listing(self.program, *names), "unit", "", "")
        return {name: outcome.how for name, outcome in run(suite).items()}

    def test_a_process_that_dies_has_failed_the_test_that_ran_and_the_rest_runs_in_another(self):
        self.assertEqual(self.outcomes_of("S.a", "S.b", "S.c", "S.d", "S.e"),
                         {"S.a": "passed", "S.b": "failed", "S.c": "skipped", "S.d": "failed", "S.e": "passed"})

    def test_what_a_process_says_after_its_last_test_fails_that_test(self):
        self.assertEqual(self.outcomes_of("S.leaks"), {"S.leaks": "failed"})

    def test_a_program_that_cannot_be_started_has_failed_all_its_tests(self):
        os.remove(self.program)
        self.assertEqual(self.outcomes_of("S.a", "S.b"), {"S.a": "failed", "S.b": "failed"})

    def test_what_a_child_says_of_tests_of_its_own_is_not_heard(self):
        self.assertEqual(self.outcomes_of("S.nests", "S.a"), {"S.nests": "failed", "S.a": "failed"})

    def test_a_test_that_is_no_gtest_has_its_exit_status(self):
        for status, how in ((0, "passed"), (1, "failed")):
            text = json.dumps({"tests": [{"name": "fuzz/url", "command": ["/bin/sh", "-c", f"exit {status}"]}]})
            suite, = suites_of(text, "", "", "")
            self.assertEqual(run(suite)["fuzz/url"].how, how)

    def test_a_test_whose_program_is_missing_has_failed(self):
        suite, = suites_of(json.dumps({"tests": [{"name": "room_test_NOT_BUILT"}]}), "", "", "")
        self.assertEqual(run(suite)["room_test_NOT_BUILT"].how, "failed")

    def test_a_skip_keeps_its_reason(self):
        suite, = suites_of(listing(self.program, "S.c"), "unit", "", "")
        summary = summarize_suites({"room/S.c": run(suite)["S.c"]})
        self.assertEqual(summary.skipped, [("room/S.c", "no server")])

    def test_labels_filters_and_what_is_left_out_choose_tests(self):
        text = listing("p", "S.a", "S.b", "T.a")
        self.assertEqual([list(suite.names) for suite in suites_of(text, "unit", "", "S.b")], [["S.a"], ["T.a"]])
        self.assertEqual([list(suite.names) for suite in suites_of(text, "unit", "^room/S", "")], [["S.a", "S.b"]])
        self.assertEqual(suites_of(text, "scripts", "", ""), [])

    def test_a_test_that_never_began_is_not_among_the_outcomes(self):
        done, running = outcomes("[ RUN      ] S.a\n[       OK ] S.a (1 ms)\n[ RUN      ] S.b\nwhy")
        self.assertEqual((list(done), running), (["S.a"], "S.b"))


if __name__ == "__main__":
    unittest.main()
