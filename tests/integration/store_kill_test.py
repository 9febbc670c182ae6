"""kill -9 of a real server while a client imports, promotes and rolls back.

After each kill: what was acknowledged is there, what was not is there whole or
not at all, the store is sound, and the server serves. Five kills by default,
1,000 with RESNETD_TEST_LONG=1.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import tempfile
import threading
import unittest

from harness import RESNETD, SOURCE, Server, run
from weight_files import PREPROCESS, digest, variant

KILLS = 1000 if os.environ.get("RESNETD_TEST_LONG") == "1" else 5
SEED = 20261121
PICTURE = SOURCE / "demo" / "digit-3.png"
# Files to import; more would only make the store grow.
FILES = 12


@dataclasses.dataclass(frozen=True)
class State:
    """What the store must say: versions by number, the alias "stable"."""

    versions: tuple[tuple[int, str], ...] = ()
    stable: int = 0
    previous: int = 0

    def imported(self, sha256: str) -> "State":
        """After the import of a file: a new version, or the one there is."""
        if sha256 in dict(self.versions).values():
            return self
        number = len(self.versions) + 1
        return dataclasses.replace(self, versions=(*self.versions, (number, sha256)),
                                   stable=self.stable or number)

    def promoted(self, number: int) -> "State":
        if number == self.stable:
            return self
        return dataclasses.replace(self, stable=number, previous=self.stable)


def read_state(server: Server) -> State:
    listed = server.ctl("models", "list", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    if "models/m" not in [model["name"] for model in json.loads(listed.stdout)["models"]]:
        return State()
    found = json.loads(server.ctl("models", "versions", "m", "-o", "json").stdout)
    shown = json.loads(server.ctl("models", "show", "m", "-o", "json").stdout)
    aliases = {alias["name"].rsplit("/", 1)[-1]: alias
               for alias in shown.get("model", shown)["aliases"]}
    stable = aliases["stable"]
    return State(versions=tuple(sorted((int(version["version"]), version["weights_sha256"])
                                       for version in found["versions"])),
                 stable=int(stable["version"]),
                 previous=int(stable.get("previous_version", 0)))


class Killer:
    """Kills the server after a while, whatever it does then."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._timer = threading.Timer(seconds, server.process.send_signal, [signal.SIGKILL])
        self._timer.start()

    def __enter__(self) -> "Killer":
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.join()


class StoreKillTest(unittest.TestCase):
    """One data directory, many servers, one after the other."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.random = random.Random(SEED)
        self.files = [variant(self.folder / f"{number}.safetensors", number)
                      for number in range(1, FILES + 1)]
        self.digests = [digest(path) for path in self.files]
        self.acknowledged = 0

    def change(self, server: Server, state: State) -> tuple[State, bool]:
        """One random change: what it leads to, and whether it was acknowledged."""
        kind = self.random.choice(("import", "promote", "rollback"))
        if kind == "import" or not state.versions:
            number = self.random.randrange(FILES)
            after = state.imported(self.digests[number])
            command = ("import", self.files[number], "--name", "m", *PREPROCESS)
        elif kind == "promote" or not state.previous:
            number = self.random.choice(state.versions)[0]
            after = state.promoted(number)
            command = ("promote", f"m@{number}")
        else:
            after = state.promoted(state.previous)
            command = ("rollback", "m")
        return after, server.ctl("models", *command).returncode == 0

    def until_killed(self, server: Server, state: State) -> tuple[State, State]:
        """Changes until the server is gone: the last acknowledged state, and what
        the change in flight would have made of it."""
        while True:
            after, acknowledged = self.change(server, state)
            if not acknowledged:
                self.assertIsNotNone(server.process.wait(timeout=60))
                return state, after
            self.acknowledged += 1
            state = after

    def check_serving(self, server: Server, state: State) -> None:
        if not state.versions:
            return
        result = server.ctl("classify", "-m", "m", PICTURE, "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        served = json.loads(result.stdout)["served_by"]
        self.assertEqual(int(served["version"]), state.stable)
        self.assertEqual(served["weights_sha256"], dict(state.versions)[state.stable])

    def test_no_acknowledged_change_is_lost_and_none_is_half_done(self) -> None:
        state, other = State(), State()
        for kill in range(KILLS + 1):
            server = Server("--data-dir", self.data)
            try:
                found = read_state(server)
                self.assertIn(found, (state, other), f"after kill {kill}")
                self.check_serving(server, found)
                if kill == KILLS:
                    self.assertEqual(server.end(), 0, server.log())
                    break
                with Killer(server, self.random.uniform(0, 0.4)):
                    state, other = self.until_killed(server, found)
            finally:
                server.close()
            self.check_sound()
        # Else nothing was in flight, and nothing was shown.
        self.assertGreater(self.acknowledged, KILLS // 2)

    def check_sound(self) -> None:
        verified = run(RESNETD, "--verify-store", "--data-dir", self.data)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        staged = [path for path in self.data.glob("staging/*/*")]
        self.assertEqual(staged, [])

    def test_a_damaged_store_is_reported(self) -> None:
        """The check of the test above can fail."""
        with Server("--data-dir", self.data) as server:
            self.assertEqual(self.change(server, State())[1], True)
        blob = max(self.data.glob("blobs/**/*"),
                   key=lambda path: path.stat().st_size if path.is_file() else 0)
        blob.chmod(0o600)
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)
        verified = run(RESNETD, "--verify-store", "--data-dir", self.data)
        self.assertEqual(verified.returncode, 1, verified.stderr)
        self.assertTrue(re.search("^blob: ", verified.stdout, re.MULTILINE), verified.stdout)


if __name__ == "__main__":
    unittest.main()
