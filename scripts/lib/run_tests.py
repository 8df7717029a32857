"""Runs ctest and sums it up: what failed with its output, then `N passed, N failed, N skipped` as the last line.

A few tests that fail run once more, each alone (docs/decisions/unsteady-tests.md). One that passes then has passed, and
is named as unsteady with what it said the first time.

Exit status: 0 all passed; 1 a test failed, ctest itself failed, or no test ran; 2 the filter matches no test.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

import suites

# How ctest's report says that a test skipped itself. Any other reason for not running (no program, a failed fixture)
# is a failure: what did not run has not passed.
SKIPPED_ITSELF = ("SKIP_REGULAR_EXPRESSION_MATCHED", "SKIP_RETURN_CODE")

UNSTEADY_MAX = 3  # More failures than these have one cause, and it is not the company of other tests.


@dataclass
class Summary:
    passed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)  # name, output
    skipped: list[tuple[str, str]] = field(default_factory=list)  # name, reason
    unsteady: list[tuple[str, str]] = field(default_factory=list)  # name, output of the run that failed; among passed

    def may_be_unsteady(self) -> bool:
        return 0 < len(self.failed) <= UNSTEADY_MAX

    def take_again(self, alone: "Summary") -> None:
        """What the failed tests did when each ran alone."""
        failed_again = dict(alone.failed)
        self.unsteady = [(name, output) for name, output in self.failed if name not in failed_again]
        if alone.passed != len(self.unsteady):  # Not all that failed ran again: nothing is known better.
            self.unsteady = []
            return
        self.failed = [(name, failed_again[name]) for name, _ in self.failed if name in failed_again]
        self.passed += len(self.unsteady)

    def line(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def skip_reason(output: str) -> str:
    """The text that a gtest gave to GTEST_SKIP, on one line, or what a document's shell said."""
    match = (re.search(r"^\S+:\d+: Skipped\n(.*?)^\[  SKIPPED \]", output, re.MULTILINE | re.DOTALL)
             or re.search(r"^skipped: (.*)$", output, re.MULTILINE))
    return " ".join(match.group(1).split()) if match else ""


def summarize(junit: str) -> Summary:
    """Reads the text of a JUnit report as ctest writes it."""
    summary = Summary()
    for case in ElementTree.fromstring(junit).iter("testcase"):
        name, status = case.get("name", "?"), case.get("status")
        output = case.findtext("system-out") or ""
        if status == "run":
            summary.passed += 1
            continue
        skipped = case.find("skipped")
        reason = skipped.get("message", "") if skipped is not None else ""
        if status == "disabled" or any(known in reason for known in SKIPPED_ITSELF):
            summary.skipped.append((name, skip_reason(output) or status))
        else:
            summary.failed.append((name, output or reason or f"ctest reports it as {status}"))
    return summary


def summarize_suites(outcomes: dict[str, suites.Outcome]) -> Summary:
    summary = Summary()
    for name, outcome in outcomes.items():
        if outcome.how == "passed":
            summary.passed += 1
        elif outcome.how == "skipped":
            summary.skipped.append((name, skip_reason(outcome.output)))
        else:
            summary.failed.append((name, outcome.output))
    return summary


def left_out(text: str, sanitizer: str) -> list[tuple[str, str]]:
    """What scripts/not-sanitized.txt says of a sanitizer: a regular expression for whole names, and why."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        where, pattern, reason = line.split(maxsplit=2)
        if where not in ("asan", "tsan"):
            raise ValueError(f"not a sanitizer: {line}")
        if where == sanitizer:
            found.append((pattern, reason))
    return found


def run_ctest(build: str, label: str, regex: str, jobs: int, exclude: str = "") -> tuple[int, str, str]:
    """Returns ctest's exit status, its JUnit report (empty when it wrote none), and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "junit.xml")
        command = ["ctest", "--test-dir", build, "--parallel", str(jobs), "--output-junit", report, "--progress"]
        command += ["--test-output-size-failed", "65536"]
        if label:
            command += ["--label-regex", f"^{label}$"]
        if regex:
            command += ["--tests-regex", regex]
        if exclude:
            command += ["--exclude-regex", exclude]
        watched = sys.stdout.isatty()
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=None if watched else subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        text = ""
        if os.path.exists(report):
            with open(report, encoding="utf-8", errors="replace") as file:
                text = file.read()
        return result.returncode, text, result.stdout or ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build folder")
    parser.add_argument("--label", default="", help="only tests with this label")
    parser.add_argument("--filter", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="tests at a time; many wait for processes and timers (default: two a processor)")
    parser.add_argument("--by-suite", action="store_true", help="all tests of a GoogleTest suite in one process")
    parser.add_argument("--leave-out", metavar="SANITIZER:FILE", help="without the tests that this file names")
    options = parser.parse_args()

    skipped = []
    if options.leave_out:
        sanitizer, _, path = options.leave_out.partition(":")
        with open(path, encoding="utf-8") as file:
            skipped = left_out(file.read(), sanitizer)
    exclude = f"^({'|'.join(pattern for pattern, _ in skipped)})$" if skipped else ""
    if options.by_suite:
        status, said = 0, ""
        summary = summarize_suites(suites.run_all(options.build, options.label, options.filter, options.jobs, exclude))
    else:
        status, junit, said = run_ctest(options.build, options.label, options.filter, options.jobs, exclude)
        summary = summarize(junit) if junit else Summary()
    if summary.may_be_unsteady():
        names = "|".join(re.escape(name) for name, _ in summary.failed)
        status, junit, said = run_ctest(options.build, options.label, f"^({names})$", 1)
        summary.take_again(summarize(junit) if junit else Summary())
    summary.skipped += skipped
    ran = summary.passed + len(summary.failed) + len(summary.skipped)

    for name, reason in summary.skipped:
        print(f"skipped: {name}: {reason}")
    for name, output in summary.unsteady:
        print(f"UNSTEADY: {name} failed beside others and passed alone; the first time it said\n{output.rstrip()}\n")
    for name, output in summary.failed:
        print(f"FAILED: {name}\n{output.rstrip()}\n")
    result = 1 if summary.failed else 0
    if status != 0 and not summary.failed:
        print(said.rstrip())
        print(f"test: ctest itself failed with status {status}")
        summary.failed.append(("ctest", ""))
        result = 1
    elif ran == 0 and options.filter:
        print(f"test: no test's name matches '{options.filter}'; `ctest --test-dir {options.build} -N` lists them all")
        result = 2
    elif summary.passed + len(summary.failed) == 0:
        print("test: no test ran")
        result = 1
    print(summary.line())
    return result


if __name__ == "__main__":
    sys.exit(main())
