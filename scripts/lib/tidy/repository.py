"""What the rules look at: the files that git knows, and a memory of what was already found good."""

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


class Skipped(Exception):
    """A rule that cannot run here; the text says why."""


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.fix}"


class Repository:
    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def files(self) -> list[str]:
        """Paths of the files git knows and that exist, from the root, sorted."""
        listed = subprocess.run(["git", "-C", str(self.root), "ls-files", "-z"], stdout=subprocess.PIPE, text=True, check=True)
        return sorted(path for path in listed.stdout.split("\0") if path and (self.root / path).is_file())

    def matching(self, *suffixes: str) -> list[str]:
        return [path for path in self.files if path.endswith(suffixes)]

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path: str) -> list[tuple[int, str]]:
        return list(enumerate(self.text(path).splitlines(), start=1))

    @property
    def build(self) -> Path:
        """The release build's folder."""
        return self.root / "build"

    def cmake_value(self, name: str) -> str:
        """A value of the release build's cache, or empty."""
        cache = self.build / "CMakeCache.txt"
        match = cache.is_file() and re.search(rf"^{name}:\w+=(.*)$", cache.read_text(), re.MULTILINE)
        return match.group(1) if match else ""


class Memory:
    """Remembers contents that passed a rule, so that the next run is quick. Kept under build/check/."""

    def __init__(self, repository: Repository, rule: str):
        self.path = repository.build / "check" / rule
        self.known = set(self.path.read_text().split()) if self.path.is_file() else set()
        self.used: set[str] = set()

    @staticmethod
    def key(*parts: str) -> str:
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()

    def knows(self, key: str) -> bool:
        if key in self.known:
            self.used.add(key)
        return key in self.known

    def add(self, key: str) -> None:
        self.used.add(key)

    def save(self) -> None:
        """Keeps what this run knew or added and forgets the rest."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        temporary.write_text("\n".join(sorted(self.used)))
        temporary.replace(self.path)
