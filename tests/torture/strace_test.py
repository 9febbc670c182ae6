"""The store in a real process, killed or refused at every system call.

Every flow of crash_tool is run under strace once for each call that changes
something on the disk: killed there, or told that the disk is full or failed
there. Then a fresh process must find the store as it was before the flow or
after it, whole, and after it when it was acknowledged.

Every STRIDE-th point of all; with RESNETD_TEST_LONG=1 every one. Where a process
may not be traced it says so and exits with 77: the same points, without a
kernel, are those of crash_points_test.
"""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing

TOOL = pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / "crash_tool"
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat",
         "renameat2", "linkat", "unlink", "unlinkat", "ftruncate", "fallocate",
         "mkdirat", "fchmod", "fchmodat")
# What a call is met by, and the reasons that its refusal may have.
FAULTS = {
    "signal=KILL": (),
    "error=ENOSPC": ("STORAGE_FULL", "STORE_FAILED"),
    "error=EIO": ("STORE_FAILED",),
}
# Has no divisor in common with the number of faults: each is met as often.
STRIDE = 1 if os.environ.get("RESNETD_TEST_LONG") else 37
SKIPPED = 77


class Point(typing.NamedTuple):
    """One call of one flow, and what it meets."""

    flow: str
    call: str
    number: int
    fault: str

    def __str__(self) -> str:
        return f"{self.flow}: {self.call} number {self.number}: {self.fault}"


def tool(*arguments: object, before: list[str] | None = None,
         ) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*(before or []), str(TOOL), *map(str, arguments)],
                          capture_output=True, text=True, timeout=60,
                          check=False)


def traced(log: pathlib.Path, *options: str) -> list[str]:
    return ["strace", "-f", "-qq", "-o", str(log), *options]


def why_not() -> str | None:
    """Why a process cannot be traced here; None: it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"],
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return "a process may not be traced here: " + tried.stderr.strip()
    return None


class Torture:
    """All points of all flows, in a folder of their own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.flows = tool("flows").stdout.split()

    def begin(self, flow: str) -> pathlib.Path:
        """The store where `flow` begins."""
        base = self.folder / flow
        if not base.exists():
            done = tool("setup", base, flow)
            if done.returncode != 0 and done.stdout != "ready\n":
                raise SystemExit(f"{flow}: setup failed: {done.stderr}")
        return base

    def prove(self) -> None:
        """The check fails where something acknowledged is missing."""
        checked = tool("verify", self.begin("Promote"), "Promote", 1)
        if checked.returncode == 0 or "another state" not in checked.stderr:
            raise SystemExit("the check does not find what is missing: " +
                             checked.stderr)
        shutil.rmtree(self.folder / "Promote")

    def points_of(self, flow: str) -> list[Point]:
        """Runs the flow in peace and counts its calls."""
        copy = self.folder / f"{flow}-count"
        shutil.copytree(self.begin(flow), copy)
        log = self.folder / f"{flow}.log"
        done = tool("run", copy, flow,
                    before=traced(log, "-e", "trace=" + ",".join(CALLS)))
        shutil.rmtree(copy)
        if done.stdout.splitlines()[:1] != ["opened"] or done.returncode != 0:
            raise SystemExit(f"{flow}: {done.stdout}{done.stderr}")
        counts = collections.Counter(
            line.split()[1].split("(")[0] for line in log.read_text().splitlines()
            if "(" in line)
        return [Point(flow, call, number, fault)
                for call in CALLS for number in range(1, counts[call] + 1)
                for fault in FAULTS]

    def complaints(self, point: Point) -> str:
        """What is wrong after `point`; empty: nothing."""
        copy = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        try:
            store = copy / "store"
            shutil.copytree(self.begin(point.flow), store)
            options = ("-e", f"trace={point.call}", "-e",
                       f"inject={point.call}:{point.fault}:when={point.number}")
            log = copy / "log"
            done = tool("run", store, point.flow, before=traced(log, *options))
            said = self.of_answers(point, done)
            if point.fault.startswith("error") and "(INJECTED)" not in log.read_text():
                said += "the call was not met\n"
            checked = tool("verify", store, point.flow,
                           1 if "ok" in done.stdout.splitlines() else 0)
            return said + (checked.stderr if checked.returncode else "")
        finally:
            shutil.rmtree(copy)

    @staticmethod
    def of_answers(point: Point, done: subprocess.CompletedProcess[str]) -> str:
        """What is wrong with what the process said."""
        if point.fault == "signal=KILL":
            return "" if done.returncode != 0 else "it was not killed\n"
        said = ""
        if done.returncode != 0:
            said = f"it ended with {done.returncode}: {done.stderr}\n"
        for line in done.stdout.splitlines():
            words = line.split()
            if words[0] in ("refused", "error") and \
                    words[1] not in FAULTS[point.fault]:
                said += f"it said: {line}\n"
        return said


def main() -> int:
    reason = why_not()
    if reason is not None:
        print("SKIPPED:", reason)
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        torture = Torture(pathlib.Path(name))
        torture.prove()
        points = [point for flow in torture.flows
                  for point in torture.points_of(flow)]
        chosen = points[::STRIDE]
        met = collections.Counter(point.fault for point in chosen)
        if max(met.values()) - min(met[fault] for fault in FAULTS) > 1:
            raise SystemExit(f"some faults are met more often than others: {met}")
        failed = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for point, said in zip(chosen, pool.map(torture.complaints, chosen)):
                if said:
                    failed += 1
                    print(f"{point}\n{said}")
        print(f"{len(chosen)} of {len(points)} points in {len(torture.flows)} "
              f"flows, {failed} failed")
        return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
