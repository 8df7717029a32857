#!/usr/bin/env python3
"""Opens the report in a browser without a window, as wide as a desk's screen and as a phone: the page is drawn, fits
the width, and the browser's console has nothing to say.

usage: report_in_browser.py REPORT [--to DIR]     DIR: where the pictures go

Exit status: 0 it was so; 1 it was not; 77 this machine has no browser.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from base64 import b64decode

BROWSERS = ("chromium", "chromium-browser", "chromium-shell", "chrome-headless-shell", "google-chrome")
PATIENCE_SECONDS = 60
SCREENS = {"desktop": {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False},
           "phone": {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}}


def installed() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser:
    """One page of a browser, driven by the DevTools protocol over two pipes. A context manager."""

    def __init__(self, program: str):
        self.ends = contextlib.ExitStack()
        profile = self.ends.enter_context(tempfile.TemporaryDirectory(prefix="market-browser-"))
        orders, self.orders = self._pipe()
        self.answers, answers = self._pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # It refuses to start for root with one.

        def connect() -> None:  # In the browser's process: it reads 3 and writes 4.
            os.dup2(orders, 3)
            os.dup2(answers, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}", *sandbox, "--disable-gpu",
             "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--no-first-run", "--no-default-browser-check", "about:blank"],
            pass_fds=(3, 4), preexec_fn=connect, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(orders)
        os.close(answers)
        self.unread, self.sent, self.session = b"", 0, None
        self.said: list[str] = []  # What the page had to complain of.

    def _pipe(self) -> tuple[int, int]:
        """Its descriptors are above those that connect() takes, and closed at the end unless that was done."""
        ends = os.pipe()
        above = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
        for end in ends:
            os.close(end)
        return above[0], above[1]

    def __enter__(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # What it started too; it has nothing to save.
        self.process.wait()
        os.close(self.orders)
        os.close(self.answers)
        with contextlib.suppress(OSError):  # Its last processes may still be leaving.
            self.ends.close()

    def ask(self, method: str, **parameters) -> dict:
        self.sent += 1
        order = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == order["id"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def show(self, url: str, screen: dict) -> None:
        """Returns when the page is loaded."""
        self.said.clear()
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.ask("Page.navigate", url=url)
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def picture(self) -> bytes:
        """What can be seen of the page, as PNG."""
        return b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def value(self, expression: str):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def _until(self, wanted) -> dict:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            message = self._next(deadline)
            self._listen(message)
            if wanted(message):
                return message

    def _next(self, deadline: float) -> dict:
        while b"\0" not in self.unread:
            if not select.select([self.answers], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser says nothing for {PATIENCE_SECONDS} s")
            more = os.read(self.answers, 1 << 20)
            if not more:
                raise RuntimeError(f"the browser ended with {self.process.wait()}")
            self.unread += more
        line, self.unread = self.unread.split(b"\0", 1)
        return json.loads(line)

    def _listen(self, message: dict) -> None:
        method, what = message.get("method"), message.get("params", {})
        if method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.said.append(f"{what['entry']['text']} {what['entry'].get('url', '')}".strip())
        elif method == "Runtime.exceptionThrown":
            self.said.append(what["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.said.append(" ".join(str(part.get("value", part.get("description"))) for part in what["args"]))


def is_drawn(png: bytes) -> bool:
    """Whether the rows of pixels differ: those of an empty page are all the same, but for where the packing begins."""
    rows, packed, at = 0, b"", 8
    width, height = struct.unpack(">II", png[16:24])
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IDAT":
            packed += png[at + 8:at + 8 + length]
        at += length + 12
    pixels = zlib.decompress(packed)
    row_bytes = len(pixels) // height
    rows = len({pixels[start:start + row_bytes] for start in range(0, len(pixels), row_bytes)})
    return width > 0 and rows > height // 10


def complaints(browser: Browser, report: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """What is wrong with the report, on each screen. The pictures go into the folder."""
    wrong = []
    for name, screen in SCREENS.items():
        browser.show(report.resolve().as_uri(), screen)
        picture = browser.picture()
        (folder / f"{name}.png").write_bytes(picture)
        if not is_drawn(picture):
            wrong.append(f"{name}: the page is blank")
        wider = browser.value("document.documentElement.scrollWidth") - screen["width"]
        if wider > 0:
            wrong.append(f"{name}: the page is {wider} pixels wider than the screen")
        wrong += [f"{name}: {said}" for said in browser.said]
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--to", type=pathlib.Path)
    arguments = parser.parse_args()
    program = installed()
    if program is None:
        print(f"none of these is installed: {', '.join(BROWSERS)}")
        return 77
    with tempfile.TemporaryDirectory() as folder, Browser(program) as browser:
        wrong = complaints(browser, arguments.report, arguments.to or pathlib.Path(folder))
    print("\n".join(wrong) or "drawn on each screen, and nothing in the console")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
