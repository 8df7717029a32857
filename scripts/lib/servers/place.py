"""Where a server of a set lives, and how it is started, waited for, found again and ended."""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 20
SESSIONS = "sessions"  # In a server's folder: the numbers of the sessions that spawn() began, a line each.


class StartError(Exception):
    """A server did not start; the text says why."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(ready, what: str, seconds: float = START_SECONDS) -> None:
    """Asks again and again; a StartError when the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise StartError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.02)


class Place:
    """A folder of one server, and the processes in it."""

    def __init__(self, folder: Path, user: str = ""):
        """`user`: who the processes run as when this is root; empty: the caller."""
        self.folder = folder
        self.user = user if os.geteuid() == 0 else ""
        folder.mkdir(exist_ok=True)
        if self.user:
            shutil.chown(folder, self.user, grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name)

    def command(self, words: list[str]) -> list[str]:
        if not self.user:
            return words
        group = grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name
        return ["setpriv", f"--reuid={self.user}", f"--regid={group}", "--init-groups", *words]

    def run(self, words: list[str], stdin: str = "") -> str:
        """Runs to the end; a StartError with what it said when it failed."""
        result = subprocess.run(self.command(words), input=stdin, text=True, cwd=self.folder, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment())
        if result.returncode != 0:
            raise StartError(f"{words[0]} failed with {result.returncode}: {result.stdout.strip()[-2000:]}")
        return result.stdout

    def spawn(self, words: list[str], log: str) -> subprocess.Popen:
        """A server in a session of its own, so that a ^C at the terminal is not for it."""
        with open(self.folder / log, "ab") as out:
            process = subprocess.Popen(self.command(words), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       cwd=self.folder, start_new_session=True, env=self.environment())
        with open(self.folder / SESSIONS, "a", encoding="ascii") as sessions:
            sessions.write(f"{process.pid}\n")
        return process

    def spawn_always(self, words: list[str], log: str) -> subprocess.Popen:
        """A server that is started again whenever it ends, as an init system does it: tests end it. Its keeper is what
        is returned; stop_processes() ends both."""
        keeper = "trap 'exit 0' INT TERM; while :; do \"$@\"; sleep 0.05; done"
        return self.spawn(["sh", "-c", keeper, "keeper", *words], log)

    def wait(self, process: subprocess.Popen, ready, what: str, log: str) -> None:
        """Until it is ready; a StartError with the end of its log when it is not."""
        def answers() -> bool:
            if process.poll() is not None:
                raise StartError(f"{what} ended with {process.returncode}: {self.tail(log)}")
            return ready()
        try:
            wait_until(answers, f"the start of {what}")
        except StartError as error:
            raise StartError(f"{error}\n{self.tail(log)}" if "ended" not in str(error) else str(error)) from None

    def tail(self, log: str) -> str:
        path = self.folder / log
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    @staticmethod
    def environment() -> dict[str, str]:
        """Without what would point a client at other servers, and with words in English."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MYSQL", "MARIADB"))}
        return kept | {"LC_ALL": "C.UTF-8"}

    def certificate(self) -> tuple[Path, Path]:
        """A key and a certificate of its own for 127.0.0.1 and localhost."""
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        self.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                  "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                  "-keyout", str(key), "-out", str(certificate)])
        if self.user:
            shutil.chown(key, self.user)
        key.chmod(0o600)
        return key, certificate


def processes_in(folder: Path) -> list[int]:
    """The processes of the sessions that began in the folder, or in one of its folders, whose command line names it or
    something in it: they are the servers that were spawned there, no number that another process has by now, and
    nobody who only reads a log there."""
    found = []
    sessions = sessions_in(folder)
    needle = os.fsencode(folder)
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or session_of(int(entry)) not in sessions:
            continue
        if any(at_path(word, needle) for word in command_line(int(entry)).split(b"\0")):
            found.append(int(entry))
    return found


def sessions_in(folder: Path) -> set[int]:
    return {int(line) for file in (folder / SESSIONS, *folder.glob(f"*/{SESSIONS}")) if file.exists()
            for line in file.read_text(encoding="ascii").split()}


def session_of(process: int) -> int:
    """0 when it has ended."""
    try:
        return os.getsid(process)
    except OSError:
        return 0


def command_line(process: int) -> bytes:
    """Empty when it has ended."""
    try:
        return Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return b""


def at_path(word: bytes, folder: bytes) -> bool:
    """Whether the word is the folder, something in it, or an option with such a value."""
    value = word[word.find(b"=") + 1:] if word.startswith(b"-") and b"=" in word else word
    return value == folder or value.startswith(folder + b"/")


def is_postgres(process) -> bool:
    """Whether it is the server or a part of it, not the keeper that starts it again."""
    program = command_line(process).split(b"\0")[0].split(b" ")[0]
    return program.rsplit(b"/", 1)[-1].startswith(b"postgres")


def stop_processes(folder: Path) -> None:
    """Ends every process of the folder, also those that a keeper starts meanwhile; how politely says its signal:
    PostgreSQL's SIGINT is a fast shutdown."""
    patience = time.monotonic() + STOP_SECONDS
    asked = set()
    while left := processes_in(folder):
        late = time.monotonic() > patience
        new = [process for process in left if process not in asked]
        for number in (signal.SIGCONT, signal.SIGINT, signal.SIGTERM):
            for process in new:
                if number != signal.SIGTERM or not is_postgres(process):
                    kill(process, number)
        asked.update(new)
        for process in left:
            if late:
                kill(process, signal.SIGKILL)
        time.sleep(0.02)


def kill(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass
