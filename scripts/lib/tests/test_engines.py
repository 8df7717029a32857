"""What a build may be without, as cmake says it. Only configures."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Engines(unittest.TestCase):
    def configure(self, *options: str) -> subprocess.CompletedProcess:
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options], capture_output=True,
                                  text=True, check=False)

    def test_duckdb_may_be_left_out(self):
        result = self.configure("-DTIDELOCK_DUCKDB=OFF")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"-- Engines: sqlite\b")
        self.assertNotRegex(result.stdout, r"-- Engines: .*duckdb")

    def test_sqlite_may_not(self):
        result = self.configure("-DTIDELOCK_SQLITE=OFF")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("SQLite cannot be left out", result.stderr)


if __name__ == "__main__":
    unittest.main()
