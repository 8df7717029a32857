"""clang-tidy by .clang-tidy. Slow: it runs only when it is named."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tidy.repository import Finding, Repository, Skipped

TOOL = "clang-tidy-16"


def check(repository: Repository) -> list[Finding]:
    if not shutil.which(TOOL):
        raise Skipped(f"{TOOL} is not installed (scripts/setup)")
    if not (repository.build / "compile_commands.json").is_file():
        raise Skipped("needs build/compile_commands.json (scripts/build)")
    sources = [path for path in repository.matching(".cc") if path.startswith("tidelock/")]
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = set().union(*pool.map(lambda path: judge(repository, path), sources))
    return sorted(found)


def judge(repository: Repository, path: str) -> set[Finding]:
    result = subprocess.run([TOOL, "-p", str(repository.build), "--quiet", path], cwd=repository.root,
                            capture_output=True, text=True, check=False)
    pattern = rf"^(?:{re.escape(str(repository.root))}/)?([^/\s]\S*?):(\d+):\d+: (?:warning|error): (.*) \[([\w.,-]+)\]$"
    return {Finding(place, int(line), what, name) for place, line, what, name in re.findall(pattern, result.stdout, re.MULTILINE)}
