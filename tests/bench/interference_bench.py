#!/usr/bin/env python3
# Programs: resnetd resnetctl resnetd_torch interference_load
"""Serving beside fine-tuning: how much slower answers get, how much training gets.

Real servers, a real client that calls at a fixed rate whether or not answers come
(open loop), and a real job that trains a ResNet-18 on generated pictures. Four arms,
interleaved in rounds on one machine:

  alone   calls, no job
  naive   calls beside a job at the priority of serving and without a guard
          (the hidden flag --training-gives-way=false of resnetd)
  ours    calls beside a job as it is
  solo    the job as it is, no calls: what training can

The rate is --load of what the server answers alone, measured first in every round.
Prints, and asserts nothing: p50 and p99 of each arm, p99 ours / alone (goal <= 1.25),
the processor time of the job over what serving and all else left it, and its steps a
second over those of solo times that share (goal >= 0.8), failed calls (must be 0).
Figures of all rounds and latencies are kept in --raw FILE.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import BIN, SOURCE, Server  # noqa: E402

sys.path.insert(0, str(SOURCE / "tools"))

from digit_files import png  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CLASSES = 4
# Of logits of one version in batches of two sizes: on the CPU, and as bfloat16 rounds; versions
# differ by 1.
TOLERANCE = 0.01
TOLERANCE_OF_DEVICES = 0.1
# Threads of jobs, LibTorch's among them: they have the name of the one that starts them.
JOB_THREAD = "job-0"


def pause(seconds: float) -> None:
    """For so long, as nothing tells of its end."""
    threading.Event().wait(seconds)


def picture(side: int, seed: int) -> bytes:
    """A PNG file of coloured noise on a gradient."""
    source = random.Random(seed)
    tint = [source.randrange(256) for _ in range(3)]
    rows = []
    for y in range(side):
        noise = source.randbytes(3 * side)
        rows.append(bytes((noise[i] // 4 + tint[i % 3] // 2 + 64 * y // side) % 256
                          for i in range(3 * side)))
    return png(rows, channels=3)


def write_pictures(folder: pathlib.Path, side: int, per_class: int) -> list[pathlib.Path]:
    files = []
    for label in range(CLASSES):
        for number in range(per_class):
            path = folder / f"class-{label}" / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(side, label * 1000 + number))
            files.append(path)
    return files


def seconds_of(stat: str) -> float:
    """User and system time of a line of /proc/.../stat."""
    fields = stat[stat.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def processor_times(pid: int) -> dict[str, float]:
    """Seconds so far: of the whole machine, of the server, of its jobs."""
    first = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    # user nice system, irq softirq steal.
    machine = sum(int(first[i]) for i in (0, 1, 2, 5, 6, 7)) / TICKS
    job = 0.0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (task / "comm").read_text().startswith(JOB_THREAD):
                job += seconds_of((task / "stat").read_text())
    return {"machine": machine, "job": job,
            "server": seconds_of(pathlib.Path(f"/proc/{pid}/stat").read_text())}


class Arm:
    """A server with its job, which works only while it is resumed."""

    def __init__(self, server: Server, tolerance: float = TOLERANCE) -> None:
        self.server = server
        # By how much logits of one version may differ.
        self.tolerance = tolerance
        self.job = 0

    def ctl(self, *words: object) -> str:
        done = self.server.ctl(*words)
        if done.returncode != 0:
            raise SystemExit(f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def start_job(self, options: argparse.Namespace) -> None:
        self.ctl("train", "start", "--dataset", "pictures", "--model", "trained", "--scratch",
                 options.architecture, "--input-size", options.input_size, "--steps", 1_000_000,
                 "--batch", options.batch, "--seed", 1)
        jobs = json.loads(self.ctl("train", "list", "-o", "json"))["jobs"]
        self.job = max(int(job["name"].split("/")[1]) for job in jobs)
        self.await_steps(0)
        self.pause()

    def state(self) -> dict[str, Any]:
        return json.loads(self.ctl("train", "show", self.job, "-o", "json"))["job"]["status"]

    def await_state(self, wanted: str) -> None:
        while (state := self.state()["state"]) != wanted:
            if state in ("FAILED", "SUCCEEDED", "CANCELLED"):
                raise SystemExit(f"the job is {state}: {self.state()}\n{self.server.log()}")
            pause(0.05)

    def await_steps(self, than: int) -> int:
        """Waits for a step after `than`."""
        while (step := self.state()["step"]) <= than:
            pause(0.05)
        return step

    def pause(self) -> None:
        self.ctl("train", "pause", self.job)
        self.await_state("PAUSED")

    def resume(self) -> None:
        before = self.state()["step"]
        self.ctl("train", "resume", self.job)
        # Not before it trains.
        self.await_steps(before + 1)

    def steps_a_second(self, begin: float, end: float) -> float:
        """Of the steps between two times: from the first event to the last one."""
        times = []
        for line in self.ctl("train", "logs", self.job, "--steps", "-o", "json").splitlines():
            event = json.loads(line)
            if event["kind"] != "STEP_METRICS":
                continue
            at = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
            if begin <= at <= end:
                times.append((at, event["step_metrics"]["step"]))
        if len(times) < 2:
            return 0.0
        return (times[-1][1] - times[0][1]) / (times[-1][0] - times[0][0])


def call(arm: Arm, pictures: list[pathlib.Path], rate: float,
         seconds: float) -> dict[str, Any]:
    done = subprocess.run([BIN / "interference_load", arm.server.address, "models/served",
                           *pictures, f"--rate={rate}", f"--seconds={seconds}",
                           f"--tolerance={arm.tolerance}"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(arm: Arm, trains: bool, pictures: list[pathlib.Path], rate: float | None,
            seconds: float) -> dict[str, Any]:
    """One arm in one round; rate None: nobody calls."""
    if trains:
        arm.resume()
    begin, before = time.time(), processor_times(arm.server.process.pid)
    if rate is None:
        pause(seconds)
        result: dict[str, Any] = {}
    else:
        result = call(arm, pictures, rate, seconds)
    end, after = time.time(), processor_times(arm.server.process.pid)
    wall = end - begin
    spent = {name: (after[name] - before[name]) / wall for name in before}
    result["cores"] = spent
    if trains:
        result["duty"] = arm.state().get("duty", 1)
        result["steps_a_second"] = arm.steps_a_second(begin, end)
        # What the machine has, without what others and serving took.
        result["left_over"] = (os.cpu_count() or 1) - (spent["machine"] - spent["job"])
        arm.pause()
    return result


def median(values: list[float]) -> str:
    return (f"median {statistics.median(values):.2f}, "
            f"{min(values):.2f} to {max(values):.2f}")


def report(rounds: list[dict[str, Any]]) -> None:
    calls = ("alone", "naive", "ours")
    for name in calls:
        parts = [part[name] for part in rounds]
        merged = sorted(value for part in parts for value in part["latencies_ms"])
        p50, p99 = (merged[int((len(merged) - 1) * share)] for share in (0.5, 0.99))
        print(f"{name:6} {len(merged)} answers, p50 {p50:.2f} ms, p99 {p99:.2f} ms, most "
              f"{merged[-1]:.1f} ms; failed {sum(part['failed'] for part in parts)}, mixed "
              f"{sum(part['mixed'] for part in parts)} (both must be 0)")
        print(f"       p99 by round, ms: {' '.join(format(part['p99_ms'], '.1f') for part in parts)}")
    for name in ("naive", "ours"):
        ratios = [part[name]["p99_ms"] / part["alone"]["p99_ms"] for part in rounds]
        goal = " (goal <= 1.25)" if name == "ours" else ""
        print(f"p99 {name} / alone: {median(ratios)}{goal}")
    for name in ("naive", "ours"):
        cpu, speed = [], []
        for part in rounds:
            arm, solo = part[name], part["solo"]
            cpu.append(arm["cores"]["job"] / max(arm["left_over"], 1e-9))
            expected = solo["steps_a_second"] * arm["left_over"] / max(solo["left_over"], 1e-9)
            # Of a machine that others keep busy nothing is left.
            if expected > 0:
                speed.append(arm["steps_a_second"] / expected)
        goal = " (goal >= 0.8)" if name == "ours" else ""
        print(f"job, {name}: processor time / left over: {median(cpu)}{goal}")
        print(f"job, {name}: steps a second / those of solo on what is left over: "
              f"{median(speed) if speed else 'too few steps to tell'}{goal}")
    print("cores by arm (server without job, job, others with the client), last round:")
    for name in ("alone", "naive", "ours", "solo"):
        cores = rounds[-1][name]["cores"]
        print(f"  {name:6} {cores['server'] - cores['job']:.2f} {cores['job']:.2f} "
              f"{cores['machine'] - cores['server']:.2f}"
              + (f"  duty at the end {rounds[-1][name]['duty']:.2f}"
                 if "duty" in rounds[-1][name] else ""))


def device_words(options: argparse.Namespace) -> list[object]:
    """What a server is told so that it serves, and trains, there."""
    if options.device == "cpu":
        return []
    return ["--backend=torch", "--device", options.device, "--precision", options.precision]


def machine() -> str:
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(": ", 1)[1]
            break
    load = os.getloadavg()[0]
    return f"machine: {model}, {os.cpu_count()} cores, load average {load:.2f} before"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20, help="of each arm in a round")
    parser.add_argument("--load", type=float, default=0.5, help="share of the full load")
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--input-size", type=int, default=112, help="pixels, of both networks")
    parser.add_argument("--batch", type=int, default=16, help="pictures of a step")
    parser.add_argument("--train-threads", type=int, default=0,
                        help="of a step; 0: what the server chooses")
    parser.add_argument("--device", default="cpu",
                        help="where both are done, as resnetd --device has it: cpu, cuda:N, fake")
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16", "fp16"],
                        help="of answers on another device than the CPU")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    options = parser.parse_args()
    print(machine(), flush=True)
    # A copy of the repository that was not built has none.
    (SOURCE / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="resnetd-bench-", dir=SOURCE / "build") as name, \
            contextlib.ExitStack() as servers:
        folder = pathlib.Path(name)
        pictures = write_pictures(folder / "pictures", options.input_size, 24)
        with Server("--data-dir", folder / "data", "--training-gives-way=false") as server:
            arm = Arm(server)
            arm.ctl("data", "upload", folder / "pictures", "--dataset", "pictures", "--seal")
            arm.ctl("train", "start", "--dataset", "pictures", "--model", "served", "--scratch",
                    options.architecture, "--input-size", options.input_size, "--steps", 1,
                    "--batch", 4, "--seed", 1, "--watch")
        arms = {}
        for arm_name, flags in (("naive", ["--training-gives-way=false"]), ("ours", [])):
            shutil.copytree(folder / "data", folder / arm_name)
            arms[arm_name] = Arm(servers.enter_context(
                Server("--data-dir", folder / arm_name, "--train-threads",
                       options.train_threads, *device_words(options), *flags)),
                TOLERANCE if options.device == "cpu" else TOLERANCE_OF_DEVICES)
            arms[arm_name].start_job(options)
        shown = pictures[::12]
        rounds = []
        for number in range(options.rounds):
            ours = arms["ours"]
            full = call(ours, shown, 0, max(3.0, options.seconds / 4))
            rate = options.load * full["answers"] / full["seconds"]
            part: dict[str, Any] = {"full": full, "rate": rate}
            part["alone"] = measure(ours, False, shown, rate, options.seconds)
            part["naive"] = measure(arms["naive"], True, shown, rate, options.seconds)
            part["ours"] = measure(ours, True, shown, rate, options.seconds)
            part["solo"] = measure(ours, True, shown, None, options.seconds / 2)
            rounds.append(part)
            print(f"round {number + 1}: full {full['answers'] / full['seconds']:.0f} calls/s; "
                  f"p99 alone {part['alone']['p99_ms']:.1f}, naive {part['naive']['p99_ms']:.1f}, "
                  f"ours {part['ours']['p99_ms']:.1f} ms", flush=True)
            if options.raw:
                options.raw.write_text(json.dumps({"options": vars(options) | {"raw": ""},
                                                   "rounds": rounds}, default=str))
        report(rounds)
        for example in {part[name]["example"] for part in rounds
                        for name in ("alone", "naive", "ours") if part[name]["example"]}:
            print(f"  e.g. {example}")


if __name__ == "__main__":
    main()
