"""Time, waiting, randomness, threads, files and processes come in through the Runtime and Files alone.

Looks at the objects of the release build with nm, so a call hidden in a library's inline function counts too. Which
symbols are banned and why is in scripts/banned-symbols.txt; who may use them all the same is in
scripts/allowed-symbols.txt.
"""

import fnmatch
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tidy.repository import Finding, Repository
from tidy.sources import is_test

BANNED = "scripts/banned-symbols.txt"
ALLOWED = "scripts/allowed-symbols.txt"


@dataclass(frozen=True)
class Ban:
    symbol: str  # a pattern for the mangled name
    everywhere: bool  # tests too
    what: str
    fix: str


@dataclass(frozen=True)
class Exception_:
    path: str  # a pattern
    symbol: str  # a pattern
    line: int


def read_bans(text: str) -> list[Ban]:
    """Sections `[library|everywhere] what: fix`, each followed by symbol patterns."""
    bans, scope, what, fix = [], "", "", ""
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if match := re.match(r"^\[(library|everywhere)\] ([^:]+): (.+)$", line):
            scope, what, fix = match.groups()
        else:
            bans += [Ban(symbol, scope == "everywhere", what, fix) for symbol in line.split()]
    return bans


def read_exceptions(text: str) -> list[Exception_]:
    """Lines `path-pattern symbol-pattern reason`; a line without a reason is an error."""
    exceptions = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(maxsplit=2)
        if len(parts) != 3:
            raise ValueError(f"{ALLOWED}:{number}: needs a path, a symbol and a reason")
        exceptions.append(Exception_(parts[0], parts[1], number))
    return exceptions


def members(source: Path) -> list[Path]:
    """The sources that are compiled as this one: itself, or those that a unity build's source includes."""
    if source.parent.name != "Unity":
        return [source]
    return [Path(path) for path in re.findall(r'^#include "(.+)"$', source.read_text(), re.MULTILINE)]


def objects(repository: Repository) -> dict[str, Path]:
    """The object files of our sources, as the release build compiles them. Those that are compiled together have one,
    under the name of the first; what an exception allows is compiled by itself (cmake/TidelockRoom.cmake)."""
    database = repository.build / "compile_commands.json"
    known = set(repository.files)
    found = {}
    for entry in json.loads(database.read_text()):
        ours = [source for source in members(Path(entry["file"])) if source.is_relative_to(repository.root)]
        for path in [str(source.relative_to(repository.root)) for source in ours][:1]:
            if path in known and path.startswith("tidelock/"):
                words = shlex.split(entry["command"])
                found[path] = Path(entry["directory"], words[words.index("-o") + 1])
    return found


def undefined(paths: list[Path]) -> dict[Path, set[str]]:
    """The symbols that each object takes from elsewhere."""
    if not paths:
        return {}
    result = subprocess.run(["nm", "-A", "-u", "--format=posix", *map(str, paths)], capture_output=True, text=True, check=True)
    symbols: dict[Path, set[str]] = {path: set() for path in paths}
    for line in result.stdout.splitlines():
        name, _, rest = line.partition(": ")
        symbols[Path(name)].add(rest.split(" ")[0].split("@")[0])
    return symbols


def line_of(root: Path, path: Path, symbol: str, source: str) -> tuple[str, int]:
    """Where the object uses the symbol, from its line table; the source's first line when that says nothing."""
    result = subprocess.run(["nm", "-l", "-u", str(path)], capture_output=True, text=True, check=False)
    match = re.search(rf"^\s*[UwW] {re.escape(symbol)}(?:@\S+)?\s+(\S+):(\d+)$", result.stdout, re.MULTILINE)
    if match:
        place = Path(match.group(1))
        place = place if place.is_absolute() else root / "build" / place
        place = Path(str(place.resolve()))
        if place.is_relative_to(root):
            return str(place.relative_to(root)), int(match.group(2))
    return source, 1


def check(repository: Repository) -> list[Finding]:
    command = [str(repository.root / "scripts/build"), "release"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print((result.stdout + result.stderr).rstrip())
        return [Finding("CMakeLists.txt", 1, "the release build fails", "see above")]
    return judge(repository, objects(repository), read_bans(repository.text(BANNED)), read_exceptions(repository.text(ALLOWED)))


def judge(repository: Repository, compiled: dict[str, Path], bans: list[Ban], exceptions: list[Exception_]) -> list[Finding]:
    findings = []
    used: set[Exception_] = set()
    symbols = undefined(list(compiled.values()))
    for source, path in compiled.items():
        for ban in bans:
            if is_test(source) and not ban.everywhere:
                continue
            for symbol in fnmatch.filter(symbols[path], ban.symbol):
                allowed = {one for one in exceptions if fnmatch.fnmatch(source, one.path) and fnmatch.fnmatch(symbol, one.symbol)}
                used |= allowed
                if not allowed:
                    place, line = line_of(repository.root, path, symbol, source)
                    findings.append(Finding(place, line, f"{ban.what} ({readable(symbol)}, in {source})", ban.fix))
    for one in exceptions:
        if one not in used:
            findings.append(Finding(ALLOWED, one.line, "nothing needs this exception", "remove the line"))
    return findings


def readable(symbol: str) -> str:
    result = subprocess.run(["c++filt", "--no-params", symbol], capture_output=True, text=True, check=False)
    return result.stdout.strip() or symbol
