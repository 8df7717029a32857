#!/usr/bin/env python3
"""How long the market example's nightly job takes, by itself: no other job, no live programs.

usage: bench/close_day.py [--build DIR] [--days N] [--json]

Loads the history, closes N market days one after the other, and prints the median of each step and of the whole run, of
days with trading only. By the wall: compare on a quiet machine. `cpu_ms` is the processor time of everything, the load
included, and says more on a busy one.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MARKET = ROOT / "examples" / "market"
FIRST_DAY = datetime.date(2018, 1, 3)
JOBS_LEFT_OUT = ("refresh", "report")


def pipeline() -> str:
    """The example's pipeline with `load` and `close_day` alone."""
    text = (MARKET / "pipeline.toml").read_text(encoding="utf-8")
    sections = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    kept = [each for each in sections
            if not re.match(r"\[\[?(job\.(%s)[.\]]|service\.)" % "|".join(JOBS_LEFT_OUT), each)
            and 'trigger = "report"' not in each]
    return re.sub(r'"((?:sql|data)/)', lambda match: f'"{MARKET}/{match.group(1)}', "".join(kept))


def medians(state: pathlib.Path) -> dict:
    """In ms, by step; `close_day` is the whole run."""
    database = sqlite3.connect(state)
    runs = dict(database.execute(
        "select id, (ended_us - started_us) / 1e3 from tidelock_run where job = 'close_day' and status = 'completed' "
        "and id in (select run from tidelock_step where name = 'bars' and rows_written > 0)"))
    steps: dict[str, list[float]] = {"close_day": list(runs.values())}
    for run, name, took in database.execute(
            "select run, name, (ended_us - started_us) / 1e3 from tidelock_step order by place"):
        if run in runs:
            steps.setdefault(name, []).append(took)
    return {name: round(statistics.median(took), 1) for name, took in steps.items()} | {"days": len(runs)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--days", type=int, default=25, choices=range(2, 36), metavar="N",
                        help="calendar days, 2 to 35 (default 25)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT / "build" if (ROOT / "build").is_dir() else None) as folder:
        file = pathlib.Path(folder) / "pipeline.toml"
        file.write_text(pipeline(), encoding="utf-8")
        work = pathlib.Path(folder) / "work"
        last = FIRST_DAY + datetime.timedelta(days=arguments.days - 1)
        subprocess.run([arguments.build.resolve() / "tidelock", "run", file, "--work", work, "--replay",
                        f"{FIRST_DAY}..{last}", "--day", "10ms", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        times = os.times()
        result = medians(work / "state.db") | {
            "cpu_ms": round(1e3 * (times.children_user + times.children_system))}
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:12}{value:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
