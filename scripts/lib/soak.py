"""Shares a span of time among the long randomised tests and the fuzz targets; scripts/soak --help describes it."""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

AT_ONCE = 2
GRACE_SECONDS = 600  # What a test may take beyond its share before it counts as hung.


@dataclass(frozen=True)
class Job:
    name: str
    command: list[str]
    environment: dict[str, str]
    repeat: str  # How a person repeats it.


def soak_tests(listing: str) -> list[str]:
    """Full names of the tests in suites whose name ends in Soak, from --gtest_list_tests."""
    found, suite = [], ""
    for line in listing.splitlines():
        if line and not line.startswith(" "):
            suite = line.split("#")[0].strip()
        elif suite and re.search(r"Soak(/\w+)?\.$", suite) and line.strip():
            found.append(suite + line.split("#")[0].strip())
    return found


def test_jobs(build: Path, seconds: int, seed: int | None) -> list[Job]:
    jobs = []
    environment = {"TIDELOCK_SOAK_SECONDS": str(seconds)}
    if seed is not None:
        environment["TIDELOCK_SEED"] = str(seed)
    for program in sorted(build.glob("*_test")):
        listing = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
        for name in soak_tests(listing):
            command = [str(program), f"--gtest_filter={name}"]
            repeat = " ".join(["TIDELOCK_SEED=<the seed printed above>", *command])
            jobs.append(Job(f"{program.name.removesuffix('_test')}/{name}", command, environment, repeat))
    return jobs


def fuzz_jobs(build: Path, corpus: Path, seconds: int, seed: int | None) -> list[Job]:
    jobs = []
    for program in sorted(build.glob("fuzz_*")):
        if not os.access(program, os.X_OK) or program.is_dir():
            continue
        name = program.name.removeprefix("fuzz_")
        number = random.SystemRandom().randrange(1, 2**31) if seed is None else seed
        found, findings = build / "corpus" / name, build / "findings" / name
        found.mkdir(parents=True, exist_ok=True)
        findings.mkdir(parents=True, exist_ok=True)
        command = [str(program), f"-max_total_time={seconds}", f"-seed={number}", "-timeout=10", "-print_final_stats=0",
                   f"-artifact_prefix={findings}/", str(found)]
        if (corpus / name).is_dir():
            command.append(str(corpus / name))
        jobs.append(Job(f"fuzz/{name}", command, {}, f"{program} FILE, with the file named above"))
    return jobs


def run(job: Job, seconds: int) -> bool:
    start = time.monotonic()
    try:
        result = subprocess.run(job.command, env=os.environ | job.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                                timeout=seconds + GRACE_SECONDS)
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        status = f"none: still running {GRACE_SECONDS} s after its time"
    took = f"{time.monotonic() - start:.0f} s"
    if status == 0:
        said = [line.strip() for line in output.splitlines() if re.search(r"\bseeds?\b", line, re.IGNORECASE)]
        print(f"passed: {job.name} ({'; '.join([took, *said[:3]])})", flush=True)
        return True
    print(f"FAILED: {job.name} ({took}, exit status {status})\n{output[-20000:].rstrip()}\nrepeat: {job.repeat}\n", flush=True)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--fuzz-build", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", default="")
    options = parser.parse_args()

    corpus = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"

    def jobs(seconds: int) -> list[Job]:
        every = test_jobs(options.build, seconds, options.seed) + fuzz_jobs(options.fuzz_build, corpus, seconds, options.seed)
        return [job for job in every if re.search(options.only, job.name)]

    count = len(jobs(0))
    if count == 0:
        print("soak: nothing to run\n0 passed, 0 failed, 0 skipped")
        return 1
    # Rounds of AT_ONCE jobs, each as long as the others.
    seconds = max(1, int(options.minutes * 60 / -(-count // AT_ONCE)))
    print(f"soak: {count} tests and fuzz targets, {seconds} s each", flush=True)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        results = list(pool.map(lambda job: run(job, seconds), jobs(seconds)))
    print(f"{results.count(True)} passed, {results.count(False)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
