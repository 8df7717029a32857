"""Runs the rules of the fast gate over the repository; scripts/check --help says what each one is for."""

import sys
import time
from pathlib import Path

from tidy import clang_tidy, floors, formatting, headers, links, precompiled, symbols, words
from tidy.repository import Repository, Skipped

RULES = {
    "format": formatting.check,
    "floors": floors.check,
    "words": words.check,
    "links": links.check,
    "headers": headers.check,
    "includes": precompiled.check,
    "symbols": symbols.check,
}
ONLY_WHEN_NAMED = {"tidy": clang_tidy.check}


def main(names: list[str]) -> int:
    known = RULES | ONLY_WHEN_NAMED
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"check: no rule is named {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    repository = Repository(Path(__file__).resolve().parents[2])
    passed = failed = skipped = 0
    for name in names or RULES:
        start = time.monotonic()
        try:
            findings = known[name](repository)
        except Skipped as reason:
            print(f"{name}: skipped: {reason}")
            skipped += 1
            continue
        for finding in sorted(findings):
            print(finding)
        print(f"{name}: {f'{len(findings)} findings' if findings else 'ok'} ({time.monotonic() - start:.1f} s)", flush=True)
        if findings:
            failed += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
