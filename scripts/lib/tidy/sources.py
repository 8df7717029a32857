"""How the folders of tidelock/ are read: rooms, tests, backends, includes."""

import re

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
BACKEND = re.compile(r"^(tidelock/\w+/backends/\w+)/")


def room_of(path: str) -> str | None:
    """The room that a path or an include lies in."""
    match = re.match(r"^tidelock/(\w+)/", path)
    return match.group(1) if match else None


def is_conformance(path: str) -> bool:
    return "/conformance/" in path


def is_test(path: str) -> bool:
    """Compiled into a gtest program, not into the library. The same rule is in cmake/TidelockRoom.cmake."""
    return path.endswith("_test.cc") or is_conformance(path) or "/testing/" in path or room_of(path) is None


def backend_of(path: str) -> str | None:
    """The backend folder that a path or an include lies in."""
    match = BACKEND.match(path)
    return match.group(1) if match else None


def includes(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Line and path of each quoted include."""
    return [(number, match.group(1)) for number, line in lines if (match := INCLUDE.match(line))]
