"""Starts the real programs for tests: no fixed ports, no sleeps.

RESNETD_BIN_DIR names the folder with resnetd and resnetctl.
"""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["RESNETD_BIN_DIR"])
RESNETD = BIN / "resnetd"
RESNETCTL = BIN / "resnetctl"
DEMO_MODEL = SOURCE / "models" / "digits"
# Long enough for a loaded machine and a sanitizer; never waited for in full.
PATIENCE_SECONDS = 120.0


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
        self._read_end = read_end
        self._lines: list[str] = []
        self._rest = b""
        self._signalled = False
        self.wait_for_line("ready")
        ports = json.loads(port_file.read_text())
        self.grpc_port: int = ports["grpc"]
        self.http_port: int = ports["http"]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def wait_for_line(self, text: str) -> str:
        """Reads the log until a line holds `text`, and returns that line."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            while b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                self._lines.append(line.decode(errors="replace"))
                if text in self._lines[-1]:
                    return self._lines[-1]
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self._read_end], [], [], max(left, 0))
            data = os.read(self._read_end, 65536) if readable else b""
            if not data:
                raise AssertionError(f"the log ended or waited too long for {text!r}:\n"
                                     + self.log())
            self._rest += data

    def log(self) -> str:
        """What the server has logged so far, as far as it was read."""
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
        self._drain_log()
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def _drain_log(self) -> None:
        """Reads to the end, so that the server never blocks on a full pipe."""
        while data := os.read(self._read_end, 65536):
            self._rest += data
        self._lines += self._rest.decode(errors="replace").splitlines()
        self._rest = b""

    def close(self) -> None:
        """Ends the process the hard way if it still runs; frees everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._read_end)
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
