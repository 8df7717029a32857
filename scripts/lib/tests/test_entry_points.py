"""The scripts that people and CI call end with their summary, whatever fails before the first test."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SUMMARY = "0 passed, 1 failed, 0 skipped"


class EntryPoints(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "scripts").mkdir()

    def fake(self, name: str, body: str) -> None:
        path = self.root / "scripts" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run_real(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        shutil.copy(ROOT / "scripts" / name, self.root / "scripts" / name)
        return subprocess.run([self.root / "scripts" / name, *arguments], capture_output=True, text=True, check=False,
                              env=os.environ | environment)

    def assert_failed_with_summary(self, result: subprocess.CompletedProcess) -> None:
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual((result.stdout.splitlines() or [""])[-1], SUMMARY)

    def test_when_the_build_fails(self):
        self.fake("setup", "exit 0")
        self.fake("build", "exit 1")
        self.assert_failed_with_summary(self.run_real("test"))
        self.assert_failed_with_summary(self.run_real("soak", "1"))

    def test_when_the_machine_cannot_be_set_up(self):
        self.fake("setup", "exit 1")
        self.fake("build", "exit 0")
        self.assert_failed_with_summary(self.run_real("test"))
        self.assert_failed_with_summary(self.run_real("soak", "1"))

    def test_when_a_server_does_not_start(self):
        self.fake("setup", "exit 0")
        self.fake("build", "exit 0")
        (self.root / "scripts/lib").symlink_to(ROOT / "scripts/lib")
        shutil.copy(ROOT / "scripts/services", self.root / "scripts/services")
        tools = self.root / "bin"
        tools.mkdir()
        for tool in ("bash", "dirname", "env", "python3"):  # No servers, and none may be missing in CI.
            (tools / tool).symlink_to(shutil.which(tool))
        result = self.run_real("test", PATH=str(tools), CI="true")
        self.assert_failed_with_summary(result)
        self.assertIn("not installed", result.stderr)

    def test_help_runs_nothing(self):
        for path in ("scripts/test", "scripts/soak", "scripts/setup", "scripts/check", "scripts/build", ".ci/run"):
            told = subprocess.run([ROOT / path, "--help"], capture_output=True, text=True, check=True).stdout
            self.assertTrue(told.startswith(f"usage: {path}"), path)
        self.assertEqual(subprocess.run([ROOT / ".ci/run", "sideways"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
