"""Includes go downwards only, and a backend is known to its own room's backends/all.cc alone.

The floors are the table of ARCHITECTURE.md, so the map that people read is the one that is enforced.
"""

import re

from tidy.repository import Finding, Repository
from tidy.sources import backend_of, includes, is_conformance, is_test, room_of

MAP = "ARCHITECTURE.md"
TESTS_MAY_INCLUDE = {"world", "lab"}


def read_floors(text: str) -> dict[str, int]:
    """Room to floor, from rows such as `| 2 | lock, broker |`."""
    floors = {}
    for floor, rooms in re.findall(r"^\|\s*(\d+)\s*\|([^|]+)\|", text, re.MULTILINE):
        for room in re.findall(r"\w+", rooms):
            floors[room] = int(floor)
    return floors


def check(repository: Repository) -> list[Finding]:
    floors = read_floors(repository.text(MAP))
    findings = []
    if not floors:
        return [Finding(MAP, 1, "has no table of floors", "add rows `| floor | room, room |`")]
    rooms = {room_of(path) for path in repository.files} - {None}
    for room in sorted(rooms - floors.keys()):
        findings.append(Finding(MAP, 1, f"the room {room} has no floor", "add it to the table of floors"))
    for room in sorted(floors.keys() - rooms):
        findings.append(Finding(MAP, 1, f"the table names a room {room}, which does not exist", "remove it from the table"))
    known = set(repository.files)
    for path in repository.matching(".cc", ".h"):
        for line, included in includes(repository.lines(path)):
            if wrong := judge(path, included, floors, included in known):
                findings.append(Finding(path, line, *wrong))
    return findings


def judge(path: str, included: str, floors: dict[str, int], exists: bool) -> tuple[str, str] | None:
    """What is wrong with an include, and how to fix it."""
    if not exists:
        return f'"{included}" is no file of this repository', "write the path from the root; a library's header takes <>"
    backend = backend_of(included)
    # A benchmark measures an engine through its raw client too.
    if backend and backend_of(path) != backend and not is_conformance(path) and not path.startswith("bench/"):
        if path != f"{backend.rsplit('/', 1)[0]}/all.cc":
            return f'includes the backend header "{included}"', "go through the room's interface and its backends/all.h"
    room, other = room_of(path), room_of(included)
    if room is None or other is None or room == other or (is_test(path) and other in TESTS_MAY_INCLUDE):
        return None
    if room not in floors or other not in floors or floors[other] < floors[room]:
        return None
    where = "its own floor" if floors[other] == floors[room] else "a floor above"
    return f'{room} (floor {floors[room]}) includes "{included}" of {where}', f"move what is shared below floor {floors[room]}"
