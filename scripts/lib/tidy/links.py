"""Relative links in *.md lead to a file, and to a heading where they name one."""

import re
from posixpath import dirname, join, normpath

from tidy.repository import Finding, Repository

LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


def check(repository: Repository) -> list[Finding]:
    findings = []
    for path in repository.matching(".md"):
        for line, target in links(repository.text(path)):
            if wrong := judge(repository, path, target):
                findings.append(Finding(path, line, f"dead link {target}", wrong))
    return findings


def prose(text: str) -> list[tuple[int, str]]:
    """Numbered lines outside fenced blocks, without inline code."""
    lines, fence = [], None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            if mark and mark.group(1).startswith(fence):
                fence = None
        elif mark:
            fence = mark.group(1)
        else:
            lines.append((number, re.sub(r"`[^`]*`", "", line)))
    return lines


def links(text: str) -> list[tuple[int, str]]:
    return [(number, target) for number, line in prose(text) for target in LINK.findall(line)
            if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def anchors(text: str) -> set[str]:
    """The names that headings get: lower case, without punctuation, spaces as hyphens, repeated ones numbered."""
    names: set[str] = set()
    fence = False
    for line in text.splitlines():
        if re.match(r"\s*(```|~~~)", line):
            fence = not fence
        match = None if fence else re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if match:
            name = re.sub(r"[^\w\- ]", "", match.group(1).lower()).replace(" ", "-")
            unique, count = name, 0
            while unique in names:
                count += 1
                unique = f"{name}-{count}"
            names.add(unique)
    return names


def judge(repository: Repository, path: str, target: str) -> str | None:
    """How to fix a link that leads nowhere."""
    file, _, anchor = target.partition("#")
    place = normpath(join(dirname(path), file)) if file else path
    if place.startswith(".."):
        return "link inside the repository"
    if not (repository.root / place).exists() or (place not in repository.files and not any(
            known.startswith(place.rstrip("/") + "/") for known in repository.files) and place != "."):
        return f"there is no {place} known to git"
    if anchor and place.endswith(".md") and anchor not in anchors(repository.text(place)):
        return f"{place} has no heading #{anchor}"
    return None
