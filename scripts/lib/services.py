"""Sets of throwaway servers: see scripts/services --help.

A set is a folder in the system's temporary folder, with a file in it that says so, and a record of where it is, what its
users must know, and who they are. What runs is found by the folder's name, which no other set ever had. Only who has the
lock beside the record starts and ends servers, so what lies in the folder and is not in the record was left by one who
was killed while it started it.
"""

import argparse
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from servers import ALL
from servers.place import StartError, processes_in, stop_processes, wait_until

PREFIX = "tidelock-services-"
MARK = "this-is-a-set-of-throwaway-servers"
BACK_SECONDS = 20  # What others use and their tests crashed is back by then.


def identity(process: int) -> str:
    """Its number and when it began, which no process has that comes later. Empty when it has ended."""
    try:
        fields = Path("/proc", str(process), "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{process} since {fields[19]}"


def lives(user: str) -> bool:
    return identity(int(user.split()[0])) == user


class Set:
    """The set that is written down in a folder."""

    def __init__(self, folder: Path):
        self.record = folder / "set.json"

    @contextmanager
    def locked(self):
        """Waits for who starts or ends servers of the set now."""
        self.record.parent.mkdir(parents=True, exist_ok=True)
        with open(self.record.with_suffix(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self) -> dict:
        try:
            return json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def write(self, content: dict) -> None:
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(content, indent=2), encoding="utf-8")
        new.replace(self.record)

    def servers(self) -> dict[str, dict]:
        """By name; `kept`: until down(); `users`: who joined, some of whom may have been killed."""
        return self.read().get("servers", {})

    def runs(self, names: list[str]) -> bool:
        """Whether all servers of these names are there, with all the processes that they began with."""
        known = self.read()
        servers = known.get("servers", {})
        place = Path(known.get("place", "/nowhere"))
        return all(name in servers and len(processes_in(place / name)) >= servers[name]["processes"] for name in names)

    def users(self, name: str) -> list[str]:
        return [user for user in self.servers()[name].get("users", []) if lives(user)]

    def environment(self, names: list[str] | None = None) -> dict[str, str]:
        """Of these, or of all."""
        return {key: value for name, server in self.servers().items() if names is None or name in names
                for key, value in server["environment"].items()}

    def place(self) -> Path | None:
        """The folder of its servers; nothing else is ever removed."""
        place = Path(self.read().get("place", ""))
        return place if place.name.startswith(PREFIX) and (place / MARK).exists() else None

    def up(self, names: list[str]) -> None:
        """They run until down(): starts those that do not, beside those that do."""
        with self.locked():
            self.start(names)
            self.change(names, kept=True)

    def join(self, names: list[str]) -> None:
        """They run until this process, and whoever else joins, has left."""
        with self.locked():
            self.start(names)
            for name in names:
                self.change([name], users=[*self.users(name), identity(os.getpid())])

    def leave(self, names: list[str]) -> None:
        with self.locked():
            for name in set(names) & set(self.servers()):
                self.change([name], users=[user for user in self.users(name) if user != identity(os.getpid())])
            self.stop([name for name in names if not self.is_needed(name)])

    def down(self) -> list[str]:
        """Ends what nobody uses now; the rest ends with its last user. Returns who these are."""
        with self.locked():
            self.change(list(self.servers()), kept=False)
            self.stop([name for name in self.servers() if not self.is_needed(name)])
            return sorted({user for name in self.servers() for user in self.users(name)})

    # What follows is for who has the lock.

    def change(self, names: list[str], **values) -> None:
        content = self.read()
        for name in names:
            content["servers"][name].update(values)
        if names:
            self.write(content)

    def is_needed(self, name: str) -> bool:
        return name in self.servers() and (self.servers()[name].get("kept", True) or bool(self.users(name)))

    def start(self, names: list[str]) -> None:
        dead = [name for name in self.servers() if not self.runs([name])]
        used = [name for name in dead if self.users(name)]
        self.stop([name for name in dead if name not in used])  # What is left of them.
        for name in set(used) & set(names):
            wait_until(lambda one=name: self.runs([one]), f"the coming back of {name}, which others use", BACK_SECONDS)
        place = self.place() or self.make_place()
        for left in {folder.name for folder in place.iterdir() if folder.is_dir()} - set(self.servers()):
            remove(place / left)
        new = [name for name in names if name not in self.servers()]
        content = self.read()
        try:
            with ThreadPoolExecutor() as pool:
                started = {name: pool.submit(ALL[name].start, place / name) for name in new}
            for name, result in started.items():
                content["servers"][name] = {"environment": result.result(), "kept": False, "users": [],
                                            "processes": len(processes_in(place / name))}
        except BaseException:
            self.stop(new)
            raise
        self.write(content)

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
        if left and place is not None:
            for name in names:
                remove(place / name)
            self.write(content | {"servers": left})
            return
        if place is not None:
            remove(place)
        self.record.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """With the servers in it, and with what one that is being set up still writes."""
    def gone() -> bool:
        stop_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    wait_until(gone, f"the removal of {folder}")


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
    try:
        servers.join(names)
        process = subprocess.Popen(command, env=os.environ | servers.environment(names))
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    finally:
        servers.leave(names)


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
            for user in servers.down():
                print(f"services: process {user.split()[0]} uses some: they end with it", file=sys.stderr)
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
