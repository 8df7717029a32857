"""Runs the market example's pipeline over some days of 2018, counts what happened, and says it.

Every number comes from what the programs wrote or from a query; lost updates are counted from the raw CSV file.
Exit status: 0 it ran and nothing was lost (with --unsafe: it ran, also when jobs failed, which is what they do then); 1
not; 2 wrong usage.
"""

import argparse
import csv
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARKET = ROOT / "examples" / "market"
TIDELOCK = ROOT / "build" / "tidelock"  # Unless --build says otherwise.
FIRST_DAY = datetime.date(2018, 1, 3)
JOBS_FAILED = 1  # What `tidelock run` ends with when it went on to the end and a job had failed.
MOST_DAYS = 25  # As far as the data goes.
ONE_DAY = datetime.timedelta(days=1)

# What --unsafe takes out of the pipeline, and what it puts there.
UNSAFE_EDITS = (
    (r'^group = "market-stats".*\n', ""),
    (r'^overlap = .*\n', ""),
    (r"^\[group\.market-stats\]\nslots = .*\n", ""),
    (r'"--replica", "\{work\}/replica"', '"--master", "{work}/market.db"'),
)

# What is shown, in this order: key, what it is, whether it should be 0.
ROWS = (
    ("days", "market days closed", False),
    ("bars_loaded", "bars loaded", False),
    ("rows_skipped", "bad rows, recorded and skipped", False),
    ("runs", "runs of jobs", False),
    ("group_waits", "runs that had to wait for their turn", False),
    ("replicas_published", "replicas published", False),
    ("reads", "reads by live programs", False),
    ("reads_failed", "reads that failed", True),
    ("reads_wrong", "reads that did not add up", True),
    ("lock_conflicts", "conflicts over the file's lock", True),
    ("ticks_published", "ticks published", False),
    ("ticks_received", "ticks received", False),
    ("ticks_out_of_order", "ticks out of order", True),
    ("lost_updates", "updates lost, counted from the raw file", True),
    ("seconds", "seconds", False),
)


def market_days(count: int, holidays: set[datetime.date]) -> list[datetime.date]:
    """The first `count` days from FIRST_DAY on at which there is trading."""
    days, day = [], FIRST_DAY
    while len(days) < count:
        if day.weekday() < 5 and day not in holidays:
            days.append(day)
        day += ONE_DAY
    return days


def make_unsafe(pipeline: str, folder: pathlib.Path) -> str:
    """The pipeline without group and replica readers; files are named from `folder`, wherever the text is put."""
    for pattern, replacement in UNSAFE_EDITS:
        pipeline, count = re.subn(pattern, replacement, pipeline, flags=re.MULTILINE)
        if count == 0:
            raise ValueError(f"the pipeline has nothing like {pattern}")
    return re.sub(r'"((?:sql|data)/)', lambda match: f'"{folder}/{match.group(1)}', pipeline)


def query(replica: pathlib.Path, sql: str) -> list[dict]:
    result = subprocess.run([TIDELOCK, "replica", "query", replica, sql, "--json"], check=True, capture_output=True,
                            text=True)
    answer = json.loads(result.stdout)
    return [dict(zip(answer["columns"], row)) for row in answer["rows"]]


def look_at_books(work: pathlib.Path) -> dict:
    """Counts from a copy of the master, taken when everybody has gone."""
    final = work / "final"
    subprocess.run([TIDELOCK, "replica", "publish", work / "market.db", "--to", final], check=True, capture_output=True)
    lost = (MARKET / "sql" / "lost_updates.sql").read_text().replace("$csv", f"'{MARKET}/data/ohlcv.csv.zst'")
    counts = query(final, "select (select count(distinct day) from group_stats where closed_at is not null) as days, "
                          "(select count(*) from bars) as bars_loaded")[0]
    return {**counts, **query(final, lost)[0]}


def count(run: dict, work: pathlib.Path, seconds: float) -> dict:
    producer = json.loads((work / "producer.json").read_text())
    monitor = json.loads((work / "monitor.json").read_text())
    both = {key: producer[key] + monitor[key] for key in ("reads", "reads_failed", "lock_conflicts")}
    return {
        **look_at_books(work),
        "rows_skipped": run["rows_skipped"],
        "runs": run["runs"],
        "group_waits": run["group_waits"],
        "replicas_published": run["replicas_published"],
        **both,
        "reads_wrong": monitor["reads_wrong"],
        "ticks_published": producer["ticks_published"],
        "ticks_received": monitor["ticks_received"],
        "ticks_out_of_order": monitor["ticks_out_of_order"],
        "seconds": round(seconds, 1),
    }


def is_sound(counts: dict) -> bool:
    return counts["ticks_received"] == counts["ticks_published"] and all(
        counts[key] == 0 for key, _, should_be_0 in ROWS if should_be_0)


def table(counts: dict) -> str:
    lines = []
    for key, meaning, should_be_0 in ROWS:
        number = f"{counts[key]:,}"
        mark = "" if not should_be_0 else "  ok" if counts[key] == 0 else "  <- should be 0"
        lines.append(f"  {meaning:42}{number:>12}{mark}")
    return "\n".join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Called by scripts/demo, which builds first.")
    parser.add_argument("--days", type=int, choices=range(1, MOST_DAYS + 1), default=MOST_DAYS, metavar="N")
    parser.add_argument("--unsafe", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--day", default="1600ms", help="how long a calendar day takes")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="where the programs are")
    return parser.parse_args(arguments)


def empty(work: pathlib.Path) -> None:
    """Makes the folder anew. What is not a work folder of the demo is left alone."""
    if work.exists() and any(work.iterdir()) and not (work / "demo.toml").exists():
        raise SystemExit(f"demo: {work} has files that are not the demo's: name another folder")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)


def main() -> int:
    arguments = parse(sys.argv[1:])
    global TIDELOCK
    TIDELOCK = arguments.build / "tidelock"
    work = (arguments.work or ROOT / "build" / ("demo-unsafe" if arguments.unsafe else "demo")).resolve()
    empty(work)
    with (MARKET / "data" / "holidays.csv").open(encoding="utf-8", newline="") as file:
        holidays = {datetime.date.fromisoformat(row["date"]) for row in csv.DictReader(file)}
    last = market_days(arguments.days, holidays)[-1]
    text = (MARKET / "pipeline.toml").read_text(encoding="utf-8")
    pipeline = work / "demo.toml"
    pipeline.write_text(make_unsafe(text, MARKET) if arguments.unsafe else text, encoding="utf-8")

    begin = time.monotonic()
    run = subprocess.run([TIDELOCK, "run", pipeline if arguments.unsafe else MARKET / "pipeline.toml", "--work", work,
                          "--replay", f"{FIRST_DAY}..{last}", "--day", arguments.day, "--json"],
                         stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        print(f"demo: tidelock run ended with {run.returncode}", file=sys.stderr)
        if not (arguments.unsafe and run.returncode == JOBS_FAILED and run.stdout):
            return 1
    counts = count(json.loads(run.stdout), work, time.monotonic() - begin)
    report = work / "report.html"
    if arguments.json:
        print(json.dumps({**counts, "unsafe": arguments.unsafe, "report": str(report)}))
    else:
        print(f"\n{'Without' if arguments.unsafe else 'With'} Tidelock's group and replica:\n")
        print(table(counts))
        print(f"\nThe report of the last day: {report}")
    return 0 if arguments.unsafe or is_sound(counts) else 1


if __name__ == "__main__":
    sys.exit(main())
