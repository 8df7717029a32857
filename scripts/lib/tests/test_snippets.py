"""Marked blocks become tests; everything else is left alone."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import snippets

DOCUMENT = """# Locks

```cpp run
#include <string>
int a = 1;
```

## Waiting, and how long

```cpp
not run
```

```cpp run world
int b = 2;
```

```cpp run
int c = 3;
```

```sh run
x=1
```

````text
```cpp run
quoted
```
````
"""


class Blocks(unittest.TestCase):
    def test_only_marked_blocks_are_taken(self):
        self.assertEqual([(block.language, block.mode, block.line) for block in snippets.blocks(DOCUMENT)],
                         [("cpp", "", 4), ("cpp", "world", 15), ("cpp", "", 19), ("sh", "", 23)])

    def test_a_wrong_mark_is_refused(self):
        with self.assertRaises(snippets.BadMark):
            snippets.blocks("```cpp run quickly\n```\n")
        with self.assertRaises(snippets.BadMark):
            snippets.blocks("```python run\n```\n")


class Cpp(unittest.TestCase):
    source = snippets.cpp_source("docs/locks.md", DOCUMENT)

    def test_a_test_is_named_after_its_document_and_heading(self):
        self.assertIn("SNIPPET(Locks, Locks) {", self.source)
        self.assertIn("WORLD_SNIPPET(Locks, WaitingAndHowLong) {", self.source)
        self.assertIn("SNIPPET(Locks, WaitingAndHowLong2) {", self.source)

    def test_an_include_is_hoisted_and_lines_are_those_of_the_document(self):
        self.assertLess(self.source.index("#include <string>"), self.source.index("SNIPPET("))
        self.assertIn('#line 15 "docs/locks.md"\nint b = 2;', self.source)
        self.assertIn('#line 4 "docs/locks.md"\n\nint a = 1;', self.source)


    def test_a_block_that_names_an_engine_needs_it(self):
        source = snippets.cpp_source("a.md", '```cpp run\nopen("duckdb:a.db");\n```\n```cpp run\nopen("sqlite:a.db");\n```\n')
        self.assertIn('SNIPPET(A, Snippet) {\nNEEDS_ENGINE("duckdb");\n#line 2', source)
        self.assertEqual(source.count("NEEDS_ENGINE"), 1)


class Shell(unittest.TestCase):
    def run_document(self, text: str, engines: str = "sqlite 3") -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.md")
            path.write_text(text)
            tidelock = Path(folder, "tidelock")
            tidelock.write_text(f"#!/bin/sh\necho '{engines}'\n")
            tidelock.chmod(0o755)
            program = [sys.executable, snippets.__file__, "sh", str(path), folder]
            return subprocess.run(program, capture_output=True, check=False).returncode

    def test_a_document_that_names_an_engine_is_skipped_without_it(self):
        text = "```sh run\ntrue\n```\n```sh run\nfalse duckdb:a.db\n```\n"
        self.assertEqual(self.run_document(text), snippets.SKIPPED)
        self.assertEqual(self.run_document(text, "sqlite 3\nduckdb 1.5.6"), 1)

    def test_blocks_share_a_shell(self):
        self.assertEqual(self.run_document("```sh run\nx=1\n```\n```sh run\n[[ $x == 1 ]]\n```\n"), 0)

    def test_a_command_that_fails_fails_the_document(self):
        self.assertNotEqual(self.run_document("```sh run\nfalse\ntrue\n```\n"), 0)
        self.assertNotEqual(self.run_document("```sh run\nfalse | true\n```\n"), 0)


if __name__ == "__main__":
    unittest.main()
