"""Runs the tests that ctest knows a suite at a time: all tests of a GoogleTest suite in one process.

A process a test is what ctest does, and what keeps tests apart; under a sanitizer starting the process is most of its
work. What a test said and how it ended is read from GoogleTest's own lines, so that a process that dies has failed the
test that ran, and the tests behind it run in another process.
"""

import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

FILTER = "--gtest_filter="
LONGEST = 12  # So many are told with the time they took.
TIMEOUTS = 3  # A suite may take as long as so many of its tests, each at its limit.
BEGIN = re.compile(r"^\[ RUN      \] (\S+)")
END = re.compile(r"\[(       OK |  FAILED  |  SKIPPED )\] (\S+?)(?:, .*)? \(\d+ ms\)$")
HOW = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


@dataclass
class Suite:
    """Tests that run in one process, by the names that GoogleTest has for them; or one test that is none of its own."""

    program: list[str]
    folder: str
    environment: dict[str, str]
    timeout: float
    names: dict[str, str] = field(default_factory=dict)  # GoogleTest's name -> ctest's
    is_gtest: bool = True
    seconds: float = 0.0  # It took; set by run().

    def command(self, names: list[str]) -> list[str]:
        return [*self.program, FILTER + ":".join(names), "--gtest_also_run_disabled_tests"] if self.is_gtest \
            else self.program


@dataclass
class Outcome:
    how: str  # passed, failed or skipped
    output: str


def suites_of(listing: str, label: str, regex: str, exclude: str) -> list[Suite]:
    """From `ctest --show-only=json-v1`."""
    found: dict[tuple[str, str], Suite] = {}
    for test in json.loads(listing)["tests"]:
        name, command = test["name"], test.get("command", [])  # None where the program was not built.
        about = {each["name"]: each["value"] for each in test.get("properties", [])}
        if label and label not in about.get("LABELS", []):
            continue
        if (regex and not re.search(regex, name)) or (exclude and re.search(exclude, name)):
            continue
        gtest = next((part.removeprefix(FILTER) for part in command if part.startswith(FILTER)), "")
        suite = found.setdefault((command[0] if command else "", gtest.split(".")[0] or name), Suite(
            program=command[:1] if gtest else command, is_gtest=bool(gtest),
            folder=about.get("WORKING_DIRECTORY", "."),
            environment=dict(each.split("=", 1) for each in about.get("ENVIRONMENT", [])),
            timeout=TIMEOUTS * about.get("TIMEOUT", 300.0)))
        suite.names[gtest or name] = name
    return list(found.values())


def outcomes(output: str) -> tuple[dict[str, Outcome], str]:
    """What each test did that came to its end, and the test that was running when the output ended."""
    done: dict[str, Outcome] = {}
    running = ""
    lines: list[str] = []
    for line in output.splitlines():
        begin = BEGIN.match(line)
        if begin:
            running, lines = begin.group(1), []
        lines.append(line)
        end = END.search(line)
        if end and end.group(2) == running:
            done[running] = Outcome(HOW[end.group(1).strip()], "\n".join(lines))
            running = ""
    return done, running


def run_process(suite: Suite, names: list[str]) -> tuple[str, str, int]:
    """What it said, how it ended, and its exit status; negative where it did not end by itself."""
    try:
        process = subprocess.run(suite.command(names), cwd=suite.folder, env={**os.environ, **suite.environment},
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 timeout=suite.timeout, check=False)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace"), f"it took more than {suite.timeout:.0f} s", -1
    except (OSError, IndexError) as error:
        return "", f"it could not be started: {error}", -1
    return process.stdout.decode(errors="replace"), f"it ended with status {process.returncode}", process.returncode


def run(suite: Suite) -> dict[str, Outcome]:
    """The outcome of every test of the suite, by GoogleTest's names. Tests behind one that ended its process run in
    another one; what a process does after its last test (such as a report of leaks) is that test's."""
    begin = time.monotonic()
    results: dict[str, Outcome] = {}
    left = list(suite.names)
    while left:
        text, ended, status = run_process(suite, left)
        done, running = outcomes(text) if suite.is_gtest else (dict.fromkeys(left, Outcome("passed", text)), "")
        done = {name: outcome for name, outcome in done.items() if name in suite.names}  # Not what a child may say.
        running = running if running in left else ""
        # 1 is GoogleTest's status where a test failed; a sanitizer ends a process with it as well.
        as_told = not running and (status == 0 or (status == 1 and suite.is_gtest))
        results.update(done)
        behind = [name for name in left if name not in done and name != running]
        guilty = [running] if running else [] if as_told else list(done)[-1:]
        if as_told or not guilty:  # Those behind did not run although nothing kept them from it.
            guilty += behind
            behind = []
        for name in guilty:
            results[name] = Outcome("failed", f"{text[-65536:]}\n{ended}")
        left = behind
    suite.seconds = time.monotonic() - begin
    return results


def run_all(build: str, label: str, regex: str, jobs: int, exclude: str) -> dict[str, Outcome]:
    """By ctest's names. The suites of the upper rooms begin first: they wait most, and others can use that time."""
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    suites = suites_of(listing, label, regex, exclude)[::-1]
    results: dict[str, Outcome] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for suite, outcome in zip(suites, pool.map(run, suites)):
            results.update({suite.names[name]: each for name, each in outcome.items()})
    print("The longest suites:")
    for suite in sorted(suites, key=lambda suite: -suite.seconds)[:LONGEST]:
        print(f"{suite.seconds:6.1f} s  {next(iter(suite.names.values())).rsplit('.', 1)[0]}, {len(suite.names)} tests")
    return results
