"""README.ko.md says in Korean what README.md says, and its snippets are those that the tests run."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def snippets(name: str) -> list[str]:
    """Each with the first word of its mark; comments are in the reader's language."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [mark + "\n" + re.sub(r"\s+(//|#) .*", "", code) for mark, code in found]


def structure(name: str) -> list[str]:
    """Depths of headings, rows of tables with what they link to, pictures."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = []
    for line in text.splitlines():
        if line.startswith(("#", "|", "!")):
            depth = re.match(r"#+|\||!", line).group()
            lines.append(" ".join([depth, str(line.count("|")), *re.findall(r"\]\(([^)]+)\)", line)]))
    return lines


class Korean(unittest.TestCase):
    maxDiff = None

    def test_has_the_same_snippets(self):
        self.assertEqual(snippets("README.ko.md"), snippets("README.md"))

    def test_has_the_same_headings_and_tables(self):
        self.assertEqual(structure("README.ko.md"), structure("README.md"))


if __name__ == "__main__":
    unittest.main()
