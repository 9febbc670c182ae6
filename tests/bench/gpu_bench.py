#!/usr/bin/env python3
# Programs: gpu_bench resnetd resnetctl resnetd_torch training_bench gradients_bench
"""A GPU beside its goals: one command, a line for each goal.

  G1  images a second of the network in process, as the server gives it its batches (bytes in
      host memory to logits in host memory, two batches in flight), beside torch eager and
      torch.compile(mode="max-autotune") in channels_last bfloat16, whose batches lie on the
      device, normalised
  G2  the time of one picture, beside torch eager
  G3  images a second over gRPC with a p99 of 15 ms at most, callers on the same machine, of
      those in process
  G4  images a second of whole training steps, beside torch eager
  G5  p99 with a job beside half of what the server can, and the speed of that job
  G6  what the gradient statistics cost that jobs have by default

Arms take turns, round after round; a ratio is the median of the rounds' with a 95 % interval
(bootstrap), of other figures least and most stand beside the median. Every network has the
weights of tests/golden/logits, and has to give those logits. A goal that cannot be measured
says why, and the others are measured all the same; the exit code is 1 then.

On a machine with nothing but Python's torch 2.11, with a bundle (./dev bundle DIR):

    DIR/run bench_gpu                           from anywhere
    DIR/run python3 tests/bench/gpu_bench.py    from a copy of this repository

All of it takes less than --minutes; --goals splits it. --device fake (or cpu) does the same on
the host, where nothing is judged, and --quick with a small network in some two minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]

from gpu_arms import QUICK, Failed, Place, Plan, Progress  # noqa: E402
from gpu_goals import GOALS, Goal, Line, lines_of  # noqa: E402

NO_GPU = "not a GPU"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0",
                        help="cuda:N; fake or cpu: the host in the place of a GPU")
    parser.add_argument("--goals", nargs="+", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--peers", nargs="*", choices=["eager", "compiled"])
    parser.add_argument("--architecture")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--compile-seconds", type=float,
                        help="that compiled torch may take to be ready [200]")
    parser.add_argument("--minutes", type=float, default=9.5,
                        help="when all is over, what cannot be measured by then left out")
    parser.add_argument("--quick", action="store_true",
                        help="a small network, two short rounds, no compiled torch")
    parser.add_argument("--python", help="a Python with torch 2.11 [RESNETD_PYTHON,"
                        " RESNETD_TORCH_PYTHON, this one]")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds is at least 1")
    if options.device == "cpu":
        options.device = "fake"
    if not options.python:
        options.python = (os.environ.get("RESNETD_PYTHON")
                          or os.environ.get("RESNETD_TORCH_PYTHON") or sys.executable)
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    changes = {name: value for name in ("architecture", "rounds", "peers", "compile_seconds")
               if (value := getattr(options, name)) is not None}
    return dataclasses.replace(plan, **changes)


def attempt(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was measured, or {"why": it was not}: one part that fails ends no other."""
    try:
        return measure()
    except Failed as reason:
        return {"why": str(reason)}
    except (Exception, SystemExit) as problem:  # noqa: BLE001: the other goals go on
        lines = [line for line in str(problem).splitlines() if line.strip()]
        # The log of a program that failed ends with the reason.
        why = ": ".join(dict.fromkeys([type(problem).__name__, *lines[:1], *lines[-1:]]))
        return {"why": why, "log": str(problem)[-4000:]}


class Bench:
    """Figures by part, and what they mean."""

    def __init__(self, options: argparse.Namespace, place: Place) -> None:
        self.options, self.place = options, place
        self.parts: dict[str, Any] = {}

    def measure(self) -> None:
        # The environment has to name the programs before these are imported.
        import gpu_parts

        goals = self.options.goals
        together = [goal for goal in ("G1", "G2") if goal in goals]
        if together:
            self._part("in process", lambda: gpu_parts.in_process(self.place, together))
        for goal, part in (("G3", gpu_parts.served), ("G4", gpu_parts.training),
                           ("G5", gpu_parts.beside_training), ("G6", gpu_parts.gradients)):
            if goal in goals:
                self._part(goal, lambda part=part: part(self.place))

    def _part(self, name: str, measure: Callable[[], dict[str, Any]]) -> None:
        def in_time() -> dict[str, Any]:
            self.place.left()
            return measure()

        started = time.monotonic()
        self.parts[name] = attempt(in_time)
        self.parts[name]["took_seconds"] = time.monotonic() - started
        self.place.progress.part_done()
        self.keep()

    def lines(self) -> list[Line]:
        lines: list[Line] = []
        for goal in self.options.goals:
            part = self.parts.get("in process" if goal in ("G1", "G2") else goal)
            if part is not None:
                lines += lines_of(goal, part)
        return lines

    def keep(self) -> None:
        if self.options.raw:
            told = {"device": self.place.device, "plan": dataclasses.asdict(self.place.plan),
                    "judged": self.place.on_gpu, "parts": self.parts,
                    "goals": [line.as_json() for line in self.lines()]}
            self.options.raw.write_text(json.dumps(told))


def main() -> int:
    options = parse()
    if "RESNETD_BIN_DIR" not in os.environ:
        raise SystemExit("RESNETD_BIN_DIR names no folder with our programs: start this by"
                         " ./dev bench gpu, or by DIR/run of a bundle")
    import gpu_parts
    from interference_bench import machine

    print(machine(), flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="resnetd-gpu-bench-") as folder:
        parts = len({"in process" if goal in ("G1", "G2") else goal for goal in options.goals})
        place = Place(options.device, plan_of(options), pathlib.Path(folder), options.python,
                      Progress(parts), began + 60 * options.minutes)
        bench = Bench(options, place)
        try:
            place.prepare()
        except Failed as reason:
            raise SystemExit(f"error: {reason}") from None
        bench.measure()
    print("\n".join(gpu_parts.tables_of(bench.parts)) + "\n")
    lines = bench.lines()
    for line in lines:
        print(line.line("" if place.on_gpu else NO_GPU))
    took = ", ".join(f"{name} {part['took_seconds']:.0f} s" for name, part in bench.parts.items())
    print(f"measured in {time.monotonic() - began:.0f} s ({took})")
    left_out = set() if "compiled" in place.plan.peers else {"it was left out (--quick, --peers)"}
    return int(any(not isinstance(line, Goal) and line.why not in left_out for line in lines))


if __name__ == "__main__":
    sys.exit(main())
