"""Sets of throwaway servers: see scripts/services --help.

A set is a folder in the system's temporary folder, with a file in it that says so, and a record of where it is and what
its users must know. What runs is found by the folder's name, which no other set ever had.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers import ALL
from servers.place import StartError, processes_in, stop_processes

PREFIX = "tidelock-services-"
MARK = "this-is-a-set-of-throwaway-servers"


class Set:
    """The set that is written down in a folder."""

    def __init__(self, folder: Path):
        self.record = folder / "set.json"

    def read(self) -> dict:
        try:
            return json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def write(self, content: dict) -> None:
        self.record.parent.mkdir(parents=True, exist_ok=True)
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(content, indent=2), encoding="utf-8")
        new.replace(self.record)

    def runs(self, names: list[str]) -> bool:
        """Whether all servers of these names are there, with all the processes that they began with."""
        known = self.read()
        servers = known.get("servers", {})
        place = Path(known.get("place", "/nowhere"))
        return all(name in servers and len(processes_in(place / name)) >= servers[name]["processes"] for name in names)

    def environment(self) -> dict[str, str]:
        return {key: value for server in self.read().get("servers", {}).values()
                for key, value in server["environment"].items()}

    def place(self) -> Path | None:
        """The folder of its servers; nothing else is ever removed."""
        place = Path(self.read().get("place", ""))
        return place if place.name.startswith(PREFIX) and (place / MARK).exists() else None

    def up(self, names: list[str]) -> list[str]:
        """Starts those that do not run, beside those that do. Returns which."""
        known = list(self.read().get("servers", {}))
        self.stop([name for name in known if not self.runs([name])])  # What is left of them.
        new = [name for name in names if name not in self.read().get("servers", {})]
        place = self.place() or self.make_place()
        content = self.read()
        try:
            with ThreadPoolExecutor() as pool:
                started = {name: pool.submit(ALL[name].start, place / name) for name in new}
            for name, result in started.items():
                content["servers"][name] = {"environment": result.result(),
                                            "processes": len(processes_in(place / name))}
        except BaseException:
            self.stop(new)
            raise
        self.write(content)
        return new

    def make_place(self) -> Path:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
        place.chmod(0o711)  # A server may run as somebody else.
        (place / MARK).touch()
        self.write({"place": str(place), "servers": {}})
        return place

    def stop(self, names: list[str]) -> None:
        """Ends these, and the whole set when none is left."""
        content = self.read()
        left = {name: server for name, server in content.get("servers", {}).items() if name not in names}
        place = self.place()
        if not left or place is None:
            self.down()
            return
        for name in names:
            stop_processes(place / name)
            shutil.rmtree(place / name, ignore_errors=True)
        self.write(content | {"servers": left})

    def down(self) -> None:
        if place := self.place():
            stop_processes(place)
            shutil.rmtree(place)
        self.record.unlink(missing_ok=True)


def wanted(only: list[str]) -> list[str]:
    """The servers to start; says which are not installed, and fails for that in CI."""
    names = []
    for name in only or ALL:
        reason = ALL[name].missing()
        if not reason:
            names.append(name)
            continue
        print(f"services: without {name}: {reason}", file=sys.stderr)
        if os.environ.get("CI") == "true":
            raise StartError("a server that the tests need is not installed")
    return names


def run(servers: Set, names: list[str], command: list[str]) -> int:
    new = servers.up(names)
    try:
        process = subprocess.Popen(command, env=os.environ | servers.environment())
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    finally:
        servers.stop(new)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/services", add_help=False)
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("up", "down", "env", "run"):
        action = actions.add_parser(name, add_help=False)
        action.add_argument("--set", type=Path, default=Path(__file__).resolve().parents[2] / "build" / "services")
        action.add_argument("--only", action="append", default=[], choices=sorted(ALL))
        if name == "run":
            action.add_argument("--otherwise", default="")
            action.add_argument("command", nargs="+")
    return parser.parse_args()


def stopped(number, _frame) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    servers = Set(options.set)
    try:
        if options.action == "down":
            servers.down()
            return 0
        if options.action == "run":
            return run(servers, wanted(options.only), options.command)
        if options.action == "up":
            servers.up(wanted(options.only))
        for name, value in servers.environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    except (StartError, OSError) as error:
        print(f"services: {error}", file=sys.stderr, flush=True)
        if options.action == "run" and options.otherwise:
            print(options.otherwise)
        return 1


if __name__ == "__main__":
    sys.exit(main())
