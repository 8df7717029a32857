"""Every header compiles alone: it includes what it uses.

Compiled here are those that no source includes before anything else: the others are proven by such a source, where it is
compiled by itself, as the presets `dev` and `thread-safety` do. What they use of the headers that are precompiled, or
that others of a group bring, is looked for by the rule `includes`.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tidy.repository import Finding, Memory, Repository
from tidy.sources import INCLUDE, backend_of, includes

FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-pragma-once-outside-header"]


def check(repository: Repository) -> list[Finding]:
    memory = Memory(repository, "headers")
    command = ["g++", "-fsyntax-only", *FLAGS, f"-I{repository.root}", *engine_folders(repository)]
    version = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout
    texts = {path: repository.text(path) for path in repository.matching(".h", ".cc")}
    keys = {}
    proven = {first_include(texts[path]) for path in texts if path.endswith(".cc")}
    for path in repository.matching(".h"):
        if path not in proven and not is_left_out(repository, path):
            keys[path] = Memory.key(version, *command[1:], *(texts[one] for one in closure(path, texts)))
    unknown = [path for path, key in keys.items() if not memory.knows(key)]
    findings = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, finding in zip(unknown, pool.map(lambda path: compile_alone(repository, command, path), unknown)):
            if finding:
                findings.append(finding)
            else:
                memory.add(keys[path])
    memory.save()
    return findings


def engine_folders(repository: Repository) -> list[str]:
    """Where the headers of engines lie that the compiler does not find by itself, whether or not a build knows them yet."""
    duckdb = repository.cmake_value("TIDELOCK_DUCKDB_DIR")
    clients = [
        subprocess.run(["pkg-config", "--cflags-only-I", client], capture_output=True, text=True, check=False).stdout.split()
        for client in ("libpq", "libmariadb")
    ]
    return ([f"-isystem{duckdb}"] if duckdb else []) + [flag for flags in clients for flag in flags]


def first_include(text: str) -> str:
    """What a source includes before any other code, by quotes."""
    for line in text.splitlines():
        if match := INCLUDE.match(line):
            return match.group(1)
        if line.strip() and not line.startswith("//"):
            return ""
    return ""


def is_left_out(repository: Repository, path: str) -> bool:
    """A backend whose engine this machine does not have."""
    backend = backend_of(path)
    engine = backend.rsplit("/", 1)[1].upper() if backend else ""
    option = repository.cmake_value(f"TIDELOCK_{engine}") if engine else ""
    if option == "OFF":
        return True
    folder = repository.cmake_value("TIDELOCK_DUCKDB_DIR")
    return engine == "DUCKDB" and not (repository.root / folder / "duckdb.h").is_file()


def closure(path: str, texts: dict[str, str]) -> list[str]:
    """The header and every header of ours that it includes, directly or not, sorted."""
    seen, queue = {path}, [path]
    while queue:
        lines = enumerate(texts[queue.pop()].splitlines(), start=1)
        for _, included in includes(list(lines)):
            if included in texts and included not in seen:
                seen.add(included)
                queue.append(included)
    return sorted(seen)


def compile_alone(repository: Repository, command: list[str], path: str) -> Finding | None:
    result = subprocess.run([*command, "-x", "c++", "-"], input=f'#include "{path}"\n', cwd=repository.root,
                            capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    match = re.search(rf"^(?:{re.escape(str(repository.root))}/)?(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", result.stderr, re.MULTILINE)
    if match and match.group(1) != "<stdin>":
        return Finding(match.group(1), int(match.group(2)), f"{path} does not compile alone: {match.group(3)}", "include what it uses")
    return Finding(path, 1, f"does not compile alone: {result.stderr.strip()[:500]}", "include what it uses")
