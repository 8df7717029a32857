"""A set of servers is started once, found again, and ended exactly."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import types
import unittest
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import services
from servers.place import Place, StartError, at_path, free_ports, processes_in, wait_until


def start(folder: Path) -> dict[str, str]:
    """A server that does nothing, and says where it is."""
    place = Place(folder)
    process = place.spawn([sys.executable, "-c", "import time; time.sleep(1000)", str(folder / "data")], "log")
    place.wait(process, lambda: processes_in(folder) == [process.pid], "the server", "log")
    return {"TEST_SERVER": str(folder)}


def fail(folder: Path) -> dict[str, str]:
    start(folder)
    place = Place(folder)
    process = place.spawn([sys.executable, "-c", "raise SystemExit('no such option')"], "log")
    place.wait(process, lambda: False, "the other server", "log")
    return {}


def server(start_function, missing: str = "") -> types.SimpleNamespace:
    return types.SimpleNamespace(start=start_function, missing=lambda: missing)


class Services(unittest.TestCase):
    def setUp(self):
        warnings.simplefilter("ignore", ResourceWarning)  # Servers outlive who starts them: that is the point.
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.enterContext(mock.patch.dict(services.ALL, {"idle": server(start), "bad": server(fail),
                                                         "absent": server(start, "it is not installed")}))
        self.set = self.new_set("one")

    def new_set(self, name: str) -> services.Set:
        made = services.Set(Path(self.folder.name) / name)
        self.addCleanup(made.down)
        self.addCleanup(lambda: made.leave(list(made.servers())))
        return made

    def place(self, one: services.Set) -> Path:
        return Path(one.read()["place"])

    def test_up_starts_and_down_ends_all_of_it(self):
        self.set.up(["idle"])
        place = self.place(self.set)
        self.assertEqual(self.set.environment(), {"TEST_SERVER": str(place / "idle")})
        self.assertEqual(len(processes_in(place)), 1)
        self.set.down()
        self.assertEqual(processes_in(place), [])
        self.assertFalse(place.exists())
        self.assertEqual(self.set.environment(), {})
        self.set.down()

    def test_a_set_that_runs_is_kept_and_a_dead_one_is_replaced(self):
        self.set.up(["idle"])
        first = self.place(self.set)
        self.set.up(["idle"])
        self.assertEqual(self.place(self.set), first)
        os.kill(processes_in(first)[0], signal.SIGKILL)
        wait_until(lambda: not processes_in(first), "its end")
        services.Set(self.set.record.parent).up(["idle"])  # As a later program does.
        self.assertNotEqual(self.place(self.set), first)
        self.assertFalse(first.exists())
        self.assertEqual(len(processes_in(self.place(self.set))), 1)

    def test_sets_of_different_folders_know_nothing_of_each_other(self):
        other = self.new_set("two")
        self.set.up(["idle"])
        other.up(["idle"])
        self.set.down()
        self.assertEqual(len(processes_in(self.place(other))), 1)

    def test_down_leaves_foreign_servers_whose_folder_merely_looks_alike(self):
        self.set.up(["idle"])
        place = str(self.place(self.set))
        alike = [["-D", place + "0/idle/data"], ["-D", place + "-old"], ["--datadir=" + place + "0/idle"],
                 ["-D", "/srv" + place + "/idle"], ["-D", place[1:]], ["-D", place.upper()],
                 ["-D", os.path.dirname(place)], ["-c", "data_directory " + place + "/idle"]]
        foreign = [subprocess.Popen(["postgres", "-c", "import time; time.sleep(1000)", *words], executable=sys.executable,
                                    stdin=subprocess.DEVNULL) for words in alike]
        try:
            wait_until(lambda: all(Path("/proc", str(one.pid), "cmdline").read_bytes().startswith(b"postgres\0")
                                   for one in foreign), "their start")
            self.set.down()
            for words, one in zip(alike, foreign):
                self.assertIsNone(one.poll(), f"postgres {words} was ended")
        finally:
            for one in foreign:
                one.kill()
                one.wait()

    def test_down_leaves_who_merely_reads_in_the_folder(self):
        self.set.up(["idle"])
        words = ["tail", "-f", str(self.place(self.set) / "idle" / "log")]
        readers = [subprocess.Popen(words, start_new_session=own, stdout=subprocess.DEVNULL) for own in (False, True)]
        try:
            for reader in readers:
                command = Path("/proc", str(reader.pid), "cmdline")
                wait_until(lambda: command.read_bytes().startswith(b"tail\0"), "its start")
            self.assertTrue(self.set.runs(["idle"]))
            self.set.down()
            for reader in readers:
                self.assertIsNone(reader.poll(), "tail was ended")
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()

    def test_down_ends_a_keeper_while_it_starts_its_server_again(self):
        def keep(folder: Path) -> dict[str, str]:
            place = Place(folder)
            process = place.spawn_always([sys.executable, "-c", "raise SystemExit(1)", str(folder / "x")], "log")
            place.wait(process, lambda: bool(processes_in(folder)), "the keeper", "log")
            return {}
        with mock.patch.dict(services.ALL, {"restless": server(keep)}):
            for _ in range(5):
                self.set.up(["restless"])
                place = self.place(self.set)
                self.set.down()
                self.assertEqual(processes_in(place), [])
                self.assertFalse(place.exists())

    def test_what_began_before_a_failure_is_ended(self):
        with self.assertRaisesRegex(StartError, "no such option"):
            self.set.up(["bad"])
        self.assertEqual(self.set.read(), {})

    def test_a_folder_that_is_no_set_is_never_removed(self):
        kept = Path(self.folder.name) / (services.PREFIX + "mine")
        kept.mkdir()
        self.set.record.parent.mkdir()
        self.set.write({"place": str(kept), "servers": {}})
        self.set.down()
        self.assertTrue(kept.exists())

    def test_run_ends_the_set_whatever_became_of_the_command(self):
        seen = Path(self.folder.name) / "seen"
        command = [sys.executable, "-c", f"import os; open({str(seen)!r}, 'w').write(os.environ['TEST_SERVER']); raise SystemExit(7)"]
        self.assertEqual(services.run(self.set, ["idle"], command), 7)
        self.assertFalse(Path(seen.read_text()).exists())
        with self.assertRaises(FileNotFoundError):
            services.run(self.set, ["idle"], ["/no/such/program"])
        self.assertEqual(self.set.read(), {})

    def test_a_server_that_is_kept_comes_back_until_its_set_goes_down(self):
        def keep(folder: Path) -> dict[str, str]:
            place = Place(folder)
            process = place.spawn_always([sys.executable, "-c", "import time; time.sleep(1000)", str(folder / "x")], "log")
            place.wait(process, lambda: len(processes_in(folder)) == 2, "the server", "log")
            return {}
        with mock.patch.dict(services.ALL, {"kept": server(keep)}):
            self.set.up(["kept"])
            place = self.place(self.set)
            before = processes_in(place)
            os.kill(max(before), signal.SIGKILL)
            wait_until(lambda: len(processes_in(place)) == 2 and processes_in(place) != before, "its coming back")
            self.set.down()
            self.assertEqual(processes_in(place), [])

    def test_run_leaves_a_set_that_ran_before(self):
        self.set.up(["idle"])
        self.assertEqual(services.run(self.set, ["idle"], [sys.executable, "-c", ""]), 0)
        self.assertEqual(len(processes_in(self.place(self.set))), 1)

    def test_run_adds_what_is_missing_and_ends_only_that(self):
        with mock.patch.dict(services.ALL, {"another": server(lambda folder: {"ANOTHER": str(start(folder))})}):
            self.set.up(["idle"])
            place = self.place(self.set)
            before = processes_in(place)
            command = ["sh", "-c", 'test -n "$TEST_SERVER" && test -n "$ANOTHER" && exit 7']
            self.assertEqual(services.run(self.set, ["idle", "another"], command), 7)
            self.assertEqual(processes_in(place), before)
            self.assertEqual(list(self.set.environment()), ["TEST_SERVER"])
            self.assertFalse((place / "another").exists())

    def test_up_adds_to_a_set_that_runs(self):
        with mock.patch.dict(services.ALL, {"another": server(start)}):
            self.set.up(["idle"])
            place = self.place(self.set)
            self.set.up(["another"])
            self.assertTrue(self.set.runs(["idle", "another"]))
            os.kill(processes_in(place / "another")[0], signal.SIGKILL)
            wait_until(lambda: not processes_in(place / "another"), "its end")
            self.set.up(["idle", "another"])
            self.assertEqual(self.place(self.set), place)
            self.assertTrue(self.set.runs(["idle", "another"]))

    def test_a_server_that_cannot_be_added_leaves_the_others(self):
        self.set.up(["idle"])
        place = self.place(self.set)
        with self.assertRaisesRegex(StartError, "no such option"):
            self.set.up(["idle", "bad"])
        self.assertTrue(self.set.runs(["idle"]))
        self.assertEqual(self.place(self.set), place)
        self.assertEqual(processes_in(place / "bad"), [])

    def other(self, what: str) -> subprocess.Popen:
        """A process that does this with the set, and that the end of the test ends. It says what the code prints."""
        code = ("import sys, time, types\nfrom pathlib import Path\nimport services\n"
                "from tests.test_services import start, server\n"
                "services.ALL['idle'] = server(start)\n"
                f"one = services.Set(Path({str(self.set.record.parent)!r}))\n" + what)
        made = subprocess.Popen([sys.executable, "-c", code], cwd=Path(services.__file__).parent, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": "."})
        self.addCleanup(made.stdin.close)
        self.addCleanup(made.stdout.close)
        self.addCleanup(made.wait)
        self.addCleanup(made.kill)
        return made

    def test_two_who_start_a_set_at_once_get_the_same_servers(self):
        up = [self.other("one.up(['idle']); print(one.environment()['TEST_SERVER'])") for _ in range(4)]
        places = {one.stdout.readline().strip() for one in up}
        self.assertEqual([one.wait() for one in up], [0] * 4)
        self.assertEqual(places, {str(self.place(self.set) / "idle")})
        self.assertEqual(len(processes_in(self.place(self.set))), 1)

    def test_the_last_run_of_several_ends_the_servers(self):
        first = self.other("services.run(one, ['idle'], ['sh', '-c', 'echo $TEST_SERVER; read line'])")
        first.stdout.readline()
        place = self.place(self.set)
        self.assertEqual(services.run(self.set, ["idle"], ["sh", "-c", f"test $TEST_SERVER = {place}/idle"]), 0)
        self.assertEqual(len(processes_in(place)), 1)
        first.stdin.close()
        self.set.join(["idle"])  # As one that comes while the first one is on its way out.
        first.wait()
        self.assertTrue(self.set.runs(["idle"]))
        self.set.leave(["idle"])
        self.assertEqual(processes_in(place), [])
        self.assertEqual(self.set.read(), {})

    def test_down_leaves_what_a_run_uses_to_its_end(self):
        self.set.up(["idle"])
        place = self.place(self.set)
        self.set.join(["idle"])
        self.assertEqual(self.set.down(), [services.identity(os.getpid())])
        self.assertEqual(len(processes_in(place)), 1)
        self.set.leave(["idle"])
        self.assertEqual(processes_in(place), [])
        self.assertFalse(place.exists())

    def test_servers_of_a_run_that_was_killed_end_with_the_next(self):
        killed = self.other("one.join(['idle']); print('ready', flush=True); time.sleep(1000)")
        killed.stdout.readline()
        place = self.place(self.set)
        killed.kill()
        killed.wait()
        self.assertEqual(len(processes_in(place)), 1)
        self.assertEqual(services.run(self.set, ["idle"], ["sh", "-c", f"test $TEST_SERVER = {place}/idle"]), 0)
        self.assertEqual(processes_in(place), [])
        self.assertFalse(place.exists())

    def test_what_one_who_was_killed_was_starting_is_removed_first(self):
        def start_anew(folder: Path) -> dict[str, str]:
            self.assertFalse(folder.exists())
            return start(folder)
        for names in (["idle"], []):
            self.set.up(names)
            killed = self.other("def hang(folder):\n start(folder)\n print('there', flush=True)\n time.sleep(1000)\n"
                                "services.ALL['slow'] = server(hang)\none.up(['slow'])")
            killed.stdout.readline()
            killed.kill()
            killed.wait()
            place = self.place(self.set)
            self.assertEqual(len(processes_in(place)), 1 + len(names))
            with mock.patch.dict(services.ALL, {"slow": server(start_anew)}):
                self.set.up(["slow"])
            place = self.place(self.set)
            self.assertEqual(sorted(self.set.servers()), sorted([*names, "slow"]))
            self.assertEqual(len(processes_in(place)), 1 + len(names))
            self.set.down()

    def test_who_comes_while_a_server_that_others_use_is_crashed_waits_for_it(self):
        def keep(folder: Path) -> dict[str, str]:
            place = Place(folder)
            words = [sys.executable, "-c", "import time; time.sleep(1000)", str(folder / "x")]
            process = place.spawn_always(words, "log")
            place.wait(process, lambda: len(processes_in(folder)) == 2, "the server", "log")
            return {}
        with mock.patch.dict(services.ALL, {"kept": server(keep)}):
            self.set.join(["kept"])
            place = self.place(self.set)
            keeper, child = sorted(processes_in(place))
            os.kill(keeper, signal.SIGSTOP)
            os.kill(child, signal.SIGKILL)
            wait_until(lambda: processes_in(place) == [keeper], "its end")
            def goes_on(*arguments):
                os.kill(keeper, signal.SIGCONT)
                wait_until(*arguments)
            with mock.patch.object(services, "wait_until", goes_on):
                self.set.up(["kept"])
            self.assertEqual(self.place(self.set), place)
            self.assertTrue(self.set.runs(["kept"]))
            self.set.leave(["kept"])
            self.set.down()
        self.set.join(["idle"])
        place = self.place(self.set)
        os.kill(processes_in(place)[0], signal.SIGKILL)
        wait_until(lambda: not processes_in(place), "its end")
        with mock.patch.object(services, "BACK_SECONDS", 0), self.assertRaisesRegex(StartError, "which others use"):
            self.set.up(["idle"])
        self.set.leave(["idle"])

    def test_a_process_is_told_from_a_later_one_of_the_same_number(self):
        me = services.identity(os.getpid())
        self.assertTrue(services.lives(me))
        self.assertFalse(services.lives(me + "0"))
        ended = subprocess.Popen(["true"])
        wait_until(lambda: services.identity(ended.pid) == "", "its end")  # Although nobody has asked for its status.
        ended.wait()
        self.assertEqual(services.identity(ended.pid), "")

    def test_a_missing_server_is_left_out_and_fails_in_ci(self):
        with mock.patch.dict(os.environ, {"CI": ""}):
            self.assertEqual(services.wanted(["absent", "idle"]), ["idle"])
        with mock.patch.dict(os.environ, {"CI": "true"}), self.assertRaises(StartError):
            services.wanted(["absent"])


    def test_a_server_that_does_not_start_still_ends_with_what_was_to_be_said_then(self):
        seen = Path(self.folder.name) / "seen"
        command = ["services.py", "run", "--set", str(self.set.record.parent), "--only", "bad", "--otherwise",
                   "0 passed, 1 failed, 0 skipped", "--", "touch", str(seen)]
        out, err = io.StringIO(), io.StringIO()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with mock.patch.object(sys, "argv", command), redirect_stdout(out), redirect_stderr(err):
                self.assertEqual(services.main(), 1)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.assertEqual(out.getvalue(), "0 passed, 1 failed, 0 skipped\n")
        self.assertIn("no such option", err.getvalue())
        self.assertFalse(seen.exists())


class Places(unittest.TestCase):
    def test_a_process_is_known_by_a_whole_path(self):
        self.assertTrue(at_path(b"/tmp/a", b"/tmp/a"))
        self.assertTrue(at_path(b"/tmp/a/data", b"/tmp/a"))
        self.assertTrue(at_path(b"--datadir=/tmp/a/data", b"/tmp/a"))
        self.assertFalse(at_path(b"/tmp/abc", b"/tmp/a"))
        self.assertFalse(at_path(b"grep /tmp/a", b"/tmp/a"))

    def test_free_ports_differ(self):
        self.assertEqual(len(set(free_ports(20))), 20)

    def test_the_command_explains_itself(self):
        script = Path(__file__).parents[2] / "services"
        told = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
        for name in ("postgres", "mariadb", "pgbouncer"):
            self.assertIn(f"\n                   {name} ", told)
        self.assertEqual(subprocess.run([script, "sideways"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
