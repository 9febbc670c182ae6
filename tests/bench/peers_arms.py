"""The processes that peers_bench.py times: ours and those of other engines."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any

OURS = "resnetd"
PEERS = {"ort": "ONNX Runtime", "openvino": "OpenVINO", "torch": "torch eager",
         "compiled": "torch compiled"}
ARM = pathlib.Path(__file__).resolve().parent / "peer_engines" / "arm.py"


@dataclasses.dataclass(frozen=True)
class Setting:
    """Of one network and number of threads."""
    architecture: str
    threads: int
    batches: Sequence[int]
    python: pathlib.Path
    # What prepare.py made of the network.
    folder: pathlib.Path
    engine_bench: pathlib.Path

    def cores(self) -> list[int]:
        """Those that all arms share."""
        return sorted(os.sched_getaffinity(0))[-self.threads:]

    def command(self, engine: str, precision: str) -> list[str]:
        batches = ",".join(map(str, self.batches))
        if engine == OURS:
            return [str(self.engine_bench), "--arm", f"--precision={precision}",
                    f"--batch={batches}", f"--threads={self.threads}", self.architecture]
        return [str(self.python), str(ARM), engine, precision, self.architecture,
                str(self.folder), batches, str(self.threads)]


class Arm:
    """One engine in one precision, waiting for its turns.

    It starts on every core, beside others that start, and is tied to those of its setting by
    settle()."""

    def __init__(self, setting: Setting, engine: str, precision: str) -> None:
        self.setting, self.engine, self.precision = setting, engine, precision
        self.process = subprocess.Popen(
            setting.command(engine, precision), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(setting.threads),
                 "TORCHINDUCTOR_CACHE_DIR": str(setting.folder.parent / "inductor"),
                 "PYTHONDONTWRITEBYTECODE": "1"})
        # What it said when it was ready.
        self.ready: dict[str, Any] = {}
        # Seconds a batch, one number a round, by batch size.
        self.cpu: dict[int, list[float]] = {batch: [] for batch in setting.batches}
        self.wall: dict[int, list[float]] = {batch: [] for batch in setting.batches}
        # Of ours, operations a second of one core just before each of these.
        self.peaks: dict[int, list[float]] = {batch: [] for batch in setting.batches}

    @property
    def name(self) -> str:
        return f"{PEERS.get(self.engine, self.engine)} {self.precision}"

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}:"
                             f" {' '.join(map(str, self.process.args))}")
        return json.loads(line)

    def wait(self) -> bool:
        """Until it is ready; false: there is no such arm here."""
        self.ready = self._answer()
        return "missing" not in self.ready

    def _ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def settle(self) -> None:
        """Before its first round, once nothing else starts: threads of the process go to the
        cores of the setting."""
        for thread in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # It has just ended.
                os.sched_setaffinity(int(thread.name), self.setting.cores())

    def round(self, batch: int, seconds: float) -> None:
        if self.engine == OURS:
            self.peaks[batch].append(self._ask("peak")["peak"])
        told = self._ask(f"time {batch} {seconds}")
        self.cpu[batch].append(told["cpu"] / told["batches"])
        self.wall[batch].append(told["wall"] / told["batches"])

    def close(self) -> None:
        """Its last turn is over."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self) -> None:
        self.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
