"""C++ is formatted as .clang-format says."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tidy.repository import Finding, Memory, Repository, Skipped

TOOL = "clang-format-16"


def check(repository: Repository) -> list[Finding]:
    if not shutil.which(TOOL):
        raise Skipped(f"{TOOL} is not installed (scripts/setup)")
    memory = Memory(repository, "format")
    style = repository.text(".clang-format")
    keys = {path: Memory.key(style, repository.text(path)) for path in repository.matching(".cc", ".h")}
    paths = [path for path, key in keys.items() if not memory.knows(key)]
    batches = [paths[start : start + 16] for start in range(0, len(paths), 16)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        findings = [finding for found in pool.map(lambda batch: unformatted(repository, batch), batches) for finding in found]
    for path in set(paths) - {finding.path for finding in findings}:
        memory.add(keys[path])
    memory.save()
    return findings


def unformatted(repository: Repository, paths: list[str]) -> list[Finding]:
    """The first unformatted line of each file."""
    result = subprocess.run([TOOL, "--dry-run", *paths], cwd=repository.root, capture_output=True, text=True, check=False)
    first: dict[str, int] = {}
    for path, line in re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): code should be clang-formatted", result.stderr, re.MULTILINE):
        first.setdefault(path, int(line))
    if result.returncode != 0 and not first:
        raise RuntimeError(result.stderr)
    return [Finding(path, line, "not formatted", f"{TOOL} -i {path}") for path, line in first.items()]
