"""A resnetd of its own for the scripts of the demo, and resnetctl to call it."""

from __future__ import annotations

import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

# The demo model loads in well under a second; the rest is patience with a busy
# machine.
PATIENCE_SECONDS = 30.0


class Server:
    """On free ports, with a folder of its own; both go with it."""

    def __init__(self, binaries: pathlib.Path, *flags: object) -> None:
        self._binaries = binaries
        self._folder = tempfile.TemporaryDirectory(prefix="resnetd-demo-")
        self.folder = pathlib.Path(self._folder.name)
        ports = self.folder / "ports.json"
        command = [binaries / "resnetd", "--listen", "127.0.0.1:0", "--http-listen",
                   "127.0.0.1:0", "--port-file", ports, "--data-dir",
                   self.folder / "data", *flags]
        self._process = subprocess.Popen([str(part) for part in command],
                                         stderr=subprocess.PIPE, text=True)
        self._lines: collections.deque[str] = collections.deque(maxlen=20)
        # Set when it is ready, and when it ends.
        self._settled = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._settled.wait(PATIENCE_SECONDS) or not ports.exists():
            sys.exit(f"the server did not get ready; it said:\n{self.log()}")
        self.address = f"127.0.0.1:{json.loads(ports.read_text())['grpc']}"

    def _read(self) -> None:
        # All the time: a server whose log nobody reads blocks on the full pipe.
        for line in self._process.stderr or ():
            self._lines.append(line)
            if " ready " in line:
                self._settled.set()
        self._settled.set()

    def log(self) -> str:
        return "".join(self._lines)

    def command(self, *words: object) -> list[str]:
        return [str(part) for part in (self._binaries / "resnetctl", "--server",
                                       self.address, *words)]

    def must(self, *words: object) -> None:
        """Runs resnetctl on this terminal; ends the script when it fails."""
        if subprocess.run(self.command(*words), check=False).returncode:
            sys.exit(f"resnetctl {words[0]} failed; the server said:\n{self.log()}")

    def ask(self, *words: object) -> dict[str, Any]:
        """What resnetctl answers as JSON; ends the script when it fails."""
        done = subprocess.run(self.command(*words, "-o", "json"), check=False,
                              capture_output=True)
        if done.returncode:
            sys.exit(f"{done.stderr.decode()}resnetctl {words[0]} failed; the server "
                     f"said:\n{self.log()}")
        return json.loads(done.stdout)

    def right(self, folder: pathlib.Path, model: str) -> dict[str, tuple[int, int]]:
        """By class folder: how many pictures are recognised, of how many."""
        files = sorted(folder.glob("*/*.png"))
        counts: dict[str, tuple[int, int]] = {}
        shown = self.ask("classify", *files, "--model", model, "-k", "1")["images"]
        for image, file in zip(shown, files, strict=True):
            right, all_of = counts.get(file.parent.name, (0, 0))
            known = image["predictions"][0]["label"] == file.parent.name
            counts[file.parent.name] = (right + known, all_of + 1)
        return counts

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        self._folder.cleanup()
