"""Starts the real programs for tests: no fixed ports, no sleeps.

RESNETD_BIN_DIR names the folder with resnetd and resnetctl.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools"))
from digit_files import digit, digits  # noqa: E402

BIN = pathlib.Path(os.environ["RESNETD_BIN_DIR"])
RESNETD = BIN / "resnetd"
RESNETCTL = BIN / "resnetctl"
DEMO_MODEL = SOURCE / "models" / "digits"
# Long enough for a loaded machine and a sanitizer; never waited for in full.
PATIENCE_SECONDS = 120.0
# For servers whose jobs no test asks how they share the machine: at the lowest priority
# they stand still beside other tests, and threads that wait for each other nearly do.
BESIDE_OTHERS = ("--train-threads", 1, "--training-gives-way=false")
# The split of scikit-learn's digits: the demo model was trained on those before.
HELD_OUT = 1437


def write_digits(folder: pathlib.Path, first: int = 0, last: int | None = None,
                 classes: str = "0123456789", scale: int = 1) -> dict[str, int]:
    """Those of the digits first to last - 1 that are of `classes`, one folder for each
    class, larger by `scale`; returns how many pictures each has."""
    counts: dict[str, int] = {}
    for number, (values, label) in enumerate(digits()[:last]):
        if number >= first and label in classes:
            path = folder / label / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(digit(values, scale))
            counts[label] = counts.get(label, 0) + 1
    return counts


def environment(**extra: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RESNETD_")}
    return {**kept, "NO_COLOR": "1", **extra}


def run(*command: object, user: int | None = None, stdin: bytes = b"",
        **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and returns code, stdout and stderr."""
    done = subprocess.run([str(part) for part in command], input=stdin,
                          timeout=PATIENCE_SECONDS, env=environment(**extra),
                          user=user, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode,
                                       done.stdout.decode(), done.stderr.decode())


class Server:
    """A resnetd process on free ports, ready when the constructor returns.

    Use as a context manager: leaves by SIGTERM and checks the exit code.
    """

    def __init__(self, *flags: object, binary: pathlib.Path = RESNETD,
                 **extra: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        port_file = pathlib.Path(self._folder.name) / "ports.json"
        self.stderr_path = pathlib.Path(self._folder.name) / "stderr"
        command = [binary, "--listen", "127.0.0.1:0", "--http-listen",
                   "127.0.0.1:0", "--port-file", port_file, *flags]
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen([str(part) for part in command],
                                        stderr=write_end, env=environment(**extra))
        os.close(write_end)
        self._lines: list[str] = []
        # Lines that wait_for_line has passed.
        self._passed = 0
        self._log_ended = False
        self._log_grew = threading.Condition()
        # All the time: a server whose log nobody reads blocks on the full pipe.
        self._reader = threading.Thread(target=self._read_log, args=(read_end,), daemon=True)
        self._reader.start()
        self._signalled = False
        self.wait_for_line("ready")
        ports = json.loads(port_file.read_text())
        self.grpc_port: int = ports["grpc"]
        self.http_port: int = ports["http"]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def _read_log(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as stream:
            for line in stream:
                with self._log_grew:
                    self._lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._log_grew.notify_all()
        with self._log_grew:
            self._log_ended = True
            self._log_grew.notify_all()

    def wait_for_line(self, text: str, anywhere: bool = False) -> str:
        """Waits until a line of the log holds `text`, and returns that line.

        Goes on behind the line of the last call, or looks `anywhere`, also at what was
        logged before the server was ready.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._log_grew:
            self._passed = 0 if anywhere else self._passed
            while True:
                while self._passed < len(self._lines):
                    line = self._lines[self._passed]
                    self._passed += 1
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if self._log_ended or left <= 0:
                    break
                self._log_grew.wait(left)
        raise AssertionError(f"the log ended or waited too long for {text!r}:\n" + self.log())

    def log(self) -> str:
        """What the server has logged so far."""
        with self._log_grew:
            return "\n".join(self._lines)

    def get(self, path: str) -> tuple[int, str]:
        """HTTP GET; returns status and body."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ctl(self, *arguments: object, **extra: str) -> subprocess.CompletedProcess[str]:
        """Runs resnetctl against this server."""
        return run(RESNETCTL, "--server", self.address, *arguments, **extra)

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Signals once, as a second signal kills; returns the exit code."""
        if not self._signalled and self.process.poll() is None:
            self._signalled = True
            self.process.send_signal(with_signal)
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        # The log ends with the process.
        self._reader.join(timeout=PATIENCE_SECONDS)
        return code

    def close(self) -> None:
        """Ends the process the hard way if it still runs; frees everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=PATIENCE_SECONDS)
        self._folder.cleanup()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            code = self.end()
        finally:
            self.close()
        if kind is None and code != 0:
            raise AssertionError(f"the server ended with {code}:\n{self.log()}")
