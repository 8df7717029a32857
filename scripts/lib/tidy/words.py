"""What belongs to one machine or one network has no place in the repository."""

import re

from tidy.repository import Finding, Repository

RULES = [
    (re.compile(r"(?<![\w./*})-])/(?:work|root|home/\w+)/"), "absolute path of one machine", "name it from the repository's root, or ask the environment"),
    (re.compile(r"(?:registry\.npmjs|registry\.yarnpkg|deb\.debian|snapshot\.debian|files\.pythonhosted)\.(?:org|com)"),
     "host of a package registry", "leave the choice to the machine's configuration of apt or npm"),
    (re.compile(r"^(?:<{7}|>{7}) "), "left-over of a merge", "resolve it"),
]
TEXT = (".md", ".cc", ".h", ".py", ".txt", ".cmake", ".json", ".pins", ".yml", ".toml", ".in", ".sh", ".sql")


def check(repository: Repository) -> list[Finding]:
    findings = []
    for path in repository.files:
        if path.endswith(TEXT) or "." not in path.rsplit("/", 1)[-1] or path.startswith(".ci/"):
            findings += judge(path, repository.lines(path))
    return findings


def judge(path: str, lines: list[tuple[int, str]]) -> list[Finding]:
    return [Finding(path, number, f"{what} ({match.group(0).strip()})", fix) for number, line in lines
            for pattern, what, fix in RULES if (match := pattern.search(line))]
