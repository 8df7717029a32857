#!/usr/bin/env python3
"""Replays market days while each process of the pipeline is killed (SIGKILL) at random moments, again and again.

At the end the tables are those of a run that nobody disturbed, no read has failed, no tick is missing, and none came
out of order. Ticks that came twice are counted; some rounds spare everybody whose death may cause that, and have none.
Prints each round's seed. Exit status: 0 all rounds were so; 1 one was not.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MARKET = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(MARKET.parents[1] / "scripts" / "lib"))
import demo  # noqa: E402

TABLES = ("symbols", "holidays", "bars", "feed", "groups", "users", "holdings", "indicators", "group_stats",
          "watch_hits", "watchlist")
KILLS_A_ROUND = 12  # Then it may come to its end.
# Whose death may make ticks come twice: that of the monitor, which is killed too when one of the others dies.
RECEIVERS = ("market_monitor", "guard of market_monitor", "tidelock run")
SPARING = 0.3  # Of the rounds.
LONG_SECONDS = 600  # Time enough for rounds of 25 days; else they are of 10.


def name_of(argv: list[str]) -> str:
    """The program and its first argument; of a guard, whom it guards."""
    if argv[1:2] == ["service-guard"]:
        return f"guard of {pathlib.Path(argv[3]).name}"
    return " ".join([pathlib.Path(argv[0]).name, *argv[1:2]])


def processes_of(work: pathlib.Path) -> dict[int, str]:
    """Those that have this work folder on their command line, with what they are."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # It has ended.
        if any(str(work) in argument for argument in argv[1:]):
            found[int(entry.name)] = name_of(argv)
    return found


def wait_until_gone(work: pathlib.Path) -> None:
    deadline = time.monotonic() + 30
    while processes_of(work):
        if time.monotonic() > deadline:
            raise AssertionError(f"processes stay behind: {processes_of(work)}")
        time.sleep(0.05)


def replay(work: pathlib.Path, days: str, day: str, chance: random.Random | None,
           spared: tuple[str, ...] = ()) -> list[str]:
    """Runs the pipeline to its end; with a `chance`, kills on the way all but the spared. Returns who was killed."""
    command = [demo.TIDELOCK, "run", MARKET / "pipeline.toml", "--work", work, "--replay", days, "--day", day, "--quiet"]
    log = (work.parent / "log").open("ab")
    killed: list[str] = []
    while True:
        pipeline = subprocess.Popen(command, stdout=log, stderr=log)
        while pipeline.poll() is None:
            if chance is None or len(killed) >= KILLS_A_ROUND:
                pipeline.wait()
                break
            try:
                pipeline.wait(chance.uniform(0.2, 6))
            except subprocess.TimeoutExpired:
                everybody = sorted(processes_of(work).items())
                loading = not any(name.startswith("market_") for _, name in everybody)
                victims = [(pid, name) for pid, name in everybody if not name.startswith(spared)]
                if victims and (not loading or chance.random() < 0.2):  # Most of it happens later.
                    pid, name = chance.choice(victims)
                    killed.append(name)
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        killed.pop()
        wait_until_gone(work)
        if pipeline.returncode == 0:
            return killed
        if pipeline.returncode != -signal.SIGKILL:
            raise AssertionError(f"tidelock run ended with {pipeline.returncode}: see {log.name}")


def tables_of(work: pathlib.Path) -> dict[str, list[str]]:
    """The rows of each table, sorted; of group_stats those that are closed."""
    final, out = work / "final", work / "tables"
    subprocess.run([demo.TIDELOCK, "replica", "publish", work / "market.db", "--to", final], check=True,
                   capture_output=True)
    subprocess.run([demo.TIDELOCK, "replica", "query", final, f"export database '{out}' (format csv)"], check=True,
                   capture_output=True)
    tables = {name: sorted((out / f"{name}.csv").read_text().splitlines()) for name in TABLES}
    header = (out / "group_stats.csv").read_text().splitlines()[0].split(",")
    closed_at, number = header.index("closed_at"), header.index("id")
    tables["group_stats"] = sorted(
        ",".join(cells[:number] + cells[number + 1:])
        for cells in (line.split(",") for line in tables["group_stats"]) if cells[closed_at])
    return tables


def one_round(seed: int, folder: pathlib.Path, days: str, day: str, undisturbed: dict[str, list[str]]) -> None:
    work = folder / f"round-{seed}"
    begin = time.monotonic()
    chance = random.Random(seed)
    spared = RECEIVERS if chance.random() < SPARING else ()
    killed = replay(work, days, day, chance, spared)
    monitor = json.loads((work / "monitor.json").read_text())
    producer = json.loads((work / "producer.json").read_text())
    tables = tables_of(work)
    for name in TABLES:
        assert tables[name] == undisturbed[name], f"{name} is not as it is without kills"
    must_be_0 = ["ticks_missing", "ticks_out_of_order", "reads_failed", "reads_wrong", "went_back"]
    if not any(name.startswith(RECEIVERS) for name in killed):
        must_be_0.append("ticks_duplicate")
    for key in must_be_0:
        assert monitor[key] == 0, f"{key} of the monitor is {monitor[key]}: {monitor['last_failure']}"
    for key in ("reads_failed", "went_back"):
        assert producer[key] == 0, f"{key} of the producer is {producer[key]}: {producer['last_failure']}"
    assert monitor["ticks_received"] == producer["ticks_published"], (
        f"{monitor['ticks_received']} ticks received, {producer['ticks_published']} published")
    print(f"seed {seed}: {len(killed)} killed{', sparing the receivers' if spared else ''} "
          f"({', '.join(sorted(set(killed)))}), {producer['ticks_published']} ticks, "
          f"{monitor['ticks_duplicate']} came twice, {time.monotonic() - begin:.0f} s", flush=True)
    shutil.rmtree(work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=demo.ROOT / "build")
    parser.add_argument("--seed", type=int, help="one round with this seed")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, help="as many rounds as fit into so many seconds, at least one; of 25 "
                        f"days from {LONG_SECONDS} seconds on, of 10 days below")
    parser.add_argument("--day", default="1s", help="how long a day takes")
    arguments = parser.parse_args()
    demo.TIDELOCK = arguments.build / "tidelock"
    short = arguments.seconds is not None and arguments.seconds < LONG_SECONDS
    days = f"{demo.FIRST_DAY}..{'2018-01-17' if short else '2018-02-07'}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidelock-kills-"))
    begin = time.monotonic()
    replay(folder / "undisturbed", days, arguments.day, None)
    undisturbed = tables_of(folder / "undisturbed")
    seeds = [arguments.seed] if arguments.seed is not None else (random.randrange(2**31) for _ in iter(int, 1))
    longest = 0.0
    for done, seed in enumerate(seeds, 1):
        round_began = time.monotonic()
        try:
            one_round(seed, folder, days, arguments.day, undisturbed)
        except AssertionError as error:
            print(f"seed {seed}: {error}\nrun again with --seed {seed}; everything is in {folder}", flush=True)
            return 1
        now = time.monotonic()
        longest = max(longest, now - round_began)
        if done >= arguments.rounds if arguments.seconds is None else now - begin + longest > arguments.seconds:
            break
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
