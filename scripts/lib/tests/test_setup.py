"""scripts/setup beside a fake apt-get, dpkg-query and npm: what it installs, and when it must not."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

SETUP = Path(__file__).resolve().parents[2] / "setup"
LIBRARY = b"a library"


class Setup(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("bin", "scripts", "etc"):
            (self.root / folder).mkdir()
        text = SETUP.read_text()
        for real, ours in {"/etc/os-release": "etc/os-release", "/usr/local/lib/tidelock": "installed",
                           "/usr/sbin/policy-rc.d": "etc/policy-rc.d"}.items():
            self.assertIn(real, text)
            text = text.replace(real, str(self.root / ours))
        (self.root / "scripts/setup").write_text(text)
        self.calls = self.root / "calls"
        self.tool("uname", "echo x86_64")
        self.tool("sudo", '[ "$1" = -- ] && shift; exec "$@"')
        self.tool("apt-get", f'echo apt-get "$@" >> {self.calls}')
        self.has()
        self.system("debian", "12")
        self.needs("cmake cmake>=3.25")
        self.pinned()

    def tool(self, name: str, body: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def system(self, name: str, version: str) -> None:
        (self.root / "etc/os-release").write_text(f"ID={name}\nVERSION_ID={version}\n")

    def needs(self, *packages: str) -> None:
        (self.root / "scripts/apt-packages.txt").write_text("# What is needed.\n" + "\n".join(packages) + "\n")

    def has(self, *packages: str) -> None:
        self.tool("dpkg-query", "\n".join(f"echo '{package} ii '" for package in packages))

    def pinned(self, package: bytes | None = None, library: bytes = LIBRARY) -> None:
        """Pins a library in a package of npm, by the hashes of what is given here; none, when no package is."""
        pins = "# None.\n"
        if package is not None:
            pins = (f"libduckdb.so {len(LIBRARY)} {hashlib.sha256(library).hexdigest()} some-package "
                    f"{hashlib.sha256(package).hexdigest()} package/libduckdb.so\n")
        (self.root / "scripts/duckdb.pins").write_text(pins)

    def package(self, library: bytes = LIBRARY) -> bytes:
        """What npm fetches."""
        archive = self.root / "archive.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo("package/libduckdb.so")
            entry.size = len(library)
            tar.addfile(entry, io.BytesIO(library))
        self.tool("npm", f"cp {archive} some-package.tgz && echo some-package.tgz")
        return archive.read_bytes()

    def run_setup(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", self.root / "scripts/setup", *arguments], capture_output=True, text=True, check=False,
                              env=os.environ | {"PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"})

    def installed(self) -> list[Path]:
        return [path for path in (self.root / "installed").rglob("*") if path.is_file()]

    def assert_refused(self, result: subprocess.CompletedProcess, why: str) -> None:
        self.assertEqual(result.returncode, 1)
        self.assertIn(why, result.stderr)
        self.assertEqual(self.installed(), [])

    def test_where_nothing_is_missing_it_does_and_says_nothing(self):
        self.has("cmake")
        result = self.run_setup()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertFalse(self.calls.exists())

    def test_what_is_missing_is_installed_and_no_service_started(self):
        result = self.run_setup()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("install --no-install-recommends cmake", self.calls.read_text())
        self.assertFalse((self.root / "etc/policy-rc.d").exists(), "it outlived the script")

    def test_check_installs_nothing(self):
        self.assert_refused(self.run_setup("--check"), "missing: cmake")
        self.assertFalse(self.calls.exists())

    def test_on_another_system_it_lists_what_is_missing_and_installs_nothing(self):
        self.system("fedora", "41")
        self.tool("cmake", "echo cmake version 3.9.6")
        self.tool("new", "echo new version 3.25.1; echo of 2.0")
        self.needs("cmake cmake>=3.25", "new new>=3.25", "nowhere no-such-program", "header <no/such/header.h>",
                   "bash bash", "unknown -")
        result = self.run_setup()
        self.assert_refused(result, "missing: ")
        self.assertEqual(result.stderr.splitlines(),
                         ["setup: missing: cmake (cmake>=3.25)", "setup: missing: nowhere (no-such-program)",
                          "setup: missing: header (<no/such/header.h>)"])
        self.assertFalse(self.calls.exists())

    def test_a_pinned_package_is_installed(self):
        self.has("cmake")
        self.pinned(self.package())
        result = self.run_setup()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([path.read_bytes() for path in self.installed()], [LIBRARY])
        self.assertEqual(self.run_setup().stderr, "")

    def test_of_a_package_with_another_hash_nothing_is_installed(self):
        self.has("cmake")
        self.pinned(self.package() + b"one more")
        self.assert_refused(self.run_setup(), "not the pinned")

    def test_of_a_library_with_another_hash_nothing_is_installed(self):
        self.has("cmake")
        self.pinned(self.package(b"a  library"), LIBRARY)
        self.assert_refused(self.run_setup(), "not the pinned")


if __name__ == "__main__":
    unittest.main()
