"""Turns marked code blocks of the documentation into tests; CONTRIBUTING.md describes the marks.

    snippets.py cpp DOCUMENT OUT              writes a C++ source with one gtest for each block marked `cpp run`
    snippets.py list OUT PROGRAMS DOCUMENT…   writes ctest commands that run each document's `sh run` blocks
    snippets.py sh DOCUMENT PROGRAMS          runs a document's `sh run` blocks in a new folder, PROGRAMS first on the PATH
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


ENGINES_LEFT_OUT = ("duckdb",)  # Servers are not named by examples that run.
SKIPPED = 77  # Exit status of a document's shell that was not run.


@dataclass(frozen=True)
class Block:
    language: str  # cpp or sh
    mode: str  # what follows `run`: empty, or `world`
    line: int  # of the block's first line of code
    heading: str  # the nearest heading above
    code: list[str]


class BadMark(Exception):
    pass


def blocks(text: str) -> list[Block]:
    """The marked blocks of a document, in order."""
    found: list[Block] = []
    heading, fence, mark, start, code = "", "", None, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if fence:
            if line.strip() == fence:
                if mark:
                    found.append(Block(*mark, start, heading, code))
                fence = ""
            else:
                code.append(line)
            continue
        if match := re.match(r"^#{1,6}\s+(.*?)\s*#*$", line):
            heading = match.group(1)
        if match := re.match(r"^(```+)\s*(.*?)\s*$", line):
            fence, mark, start, code = match.group(1), read_mark(match.group(2), number), number + 1, []
    return found


def read_mark(info: str, line: int) -> tuple[str, str] | None:
    """Language and mode of a fence's info string; nothing when it carries no mark."""
    words = info.split()
    if len(words) < 2 or words[1] != "run":
        return None
    if words[0] == "sh" and len(words) == 2:
        return "sh", ""
    if words[0] == "cpp" and words[2:] in ([], ["world"]):
        return "cpp", "".join(words[2:])
    raise BadMark(f"line {line}: no such mark '{info}': use `cpp run`, `cpp run world` or `sh run`")


def camel(text: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text)) or "Snippet"


def names(found: list[Block]) -> list[str]:
    """A test name for each block: its heading, numbered where one heading has several."""
    result: list[str] = []
    for block in found:
        name = camel(block.heading)
        if name[0].isdigit():
            name = "N" + name
        unique, count = name, 1
        while unique in result:
            count += 1
            unique = f"{name}{count}"
        result.append(unique)
    return result


def engine_it_needs(block: Block) -> str:
    """An engine that a build may be without, and that the block names."""
    return next((engine for engine in ENGINES_LEFT_OUT if any(re.search(rf"\b{engine}\b", line) for line in block.code)), "")


def cpp_source(document: str, text: str) -> str:
    """The gtest source of a document's C++ blocks."""
    found = [block for block in blocks(text) if block.language == "cpp"]
    suite = camel(Path(document).stem)
    if suite.isupper():
        suite = suite.capitalize()
    includes, tests = [], []
    for block, name in zip(found, names(found)):
        body = []
        for number, line in enumerate(block.code, start=block.line):
            if line.startswith("#include"):
                includes.append(f'#line {number} "{document}"\n{line}\n')
                line = ""
            body.append(line)
        kind = "WORLD_SNIPPET" if block.mode == "world" else "SNIPPET"
        engine = engine_it_needs(block)
        needs = f'NEEDS_ENGINE("{engine}");\n' if engine else ""
        tests.append(f'{kind}({suite}, {name}) {{\n{needs}#line {block.line} "{document}"\n' + "\n".join(body) + "\n}\n")
    head = f"// Generated from {document} by scripts/lib/snippets.py.\n"
    if not tests:
        return head  # Nothing to compile, not even the includes.
    return head + '#include "tests/snippets/snippet.h"\n' + "".join(includes) + "\n" + "\n".join(tests)


def ctest_commands(root: Path, programs: Path, documents: list[Path]) -> str:
    """ctest commands for the documents that have shell blocks."""
    lines = []
    for document in documents:
        if any(block.language == "sh" for block in blocks(document.read_text(encoding="utf-8"))):
            name = f"docs/{str(document.relative_to(root)).removeprefix('docs/')}"
            command = " ".join(f'"{part}"' for part in (sys.executable, __file__, "sh", document, programs))
            lines.append(f'add_test("{name}" {command})')
            lines.append(f'set_tests_properties("{name}" PROPERTIES LABELS docs TIMEOUT 120 SKIP_RETURN_CODE {SKIPPED})')
    return "\n".join(lines) + "\n"


def known_engines(programs: Path) -> str:
    return subprocess.run([programs / "tidelock", "--version"], capture_output=True, text=True, check=True).stdout


def run_shell(document: Path, programs: Path) -> int:
    """One shell for the whole document, so that a block may build on those before it."""
    script = ["set -euo pipefail"]
    engines = ""
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.language == "sh":
            engine = engine_it_needs(block)
            engines = engines or (engine and known_engines(programs))
            if engine and not re.search(rf"\b{engine}\b", engines):
                print(f"skipped: {document.name}:{block.line} needs {engine}, which is not compiled in")
                return SKIPPED
            script.append(f"echo '--- {document.name}:{block.line}' >&2")
            script += block.code
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}", HOME=folder)
        return subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              check=False).returncode


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    try:
        match arguments:
            case ["cpp", document, out]:
                path = Path(document).resolve()
                write(Path(out), cpp_source(str(path.relative_to(root)), path.read_text(encoding="utf-8")))
            case ["list", out, programs, *documents]:
                write(Path(out), ctest_commands(root, Path(programs), [Path(one).resolve() for one in documents]))
            case ["sh", document, programs]:
                return run_shell(Path(document), Path(programs))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except BadMark as error:
        print(f"{arguments[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
