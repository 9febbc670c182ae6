#!/usr/bin/env python3
"""Promotes and rolls back under load, on a real server with a data directory.

Prints, and asserts nothing:
  failed calls and answers whose version, digest and logits do not belong together
  (both must be 0), p50 and p99 of Classify while nothing changes and while the
  alias moves, the times of promotions and of their swaps, the server's memory.

Full load, quiet time and moves alternate in rounds, so that what else the machine
does falls on all of them; what it does is printed as "others", in processor cores. 20 moves a second
are far beyond what an operator does, and leave the disk, which each move waits
for, half of its time. Moves without a pause come last and have no goal.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import BIN, SOURCE, Server  # noqa: E402
from weight_files import variant  # noqa: E402


def swap_buckets(exposition: str) -> list[str]:
    """The filled buckets of the swap histogram, as "<= 0.05 s: 2001"."""
    prefix = 'resnetd_model_swap_duration_seconds_bucket{model="promoted",le="'
    found = []
    for line in exposition.splitlines():
        if line.startswith(prefix):
            bound, count = line[len(prefix):].split('"} ')
            if count != "0" and (not found or not found[-1].endswith(f": {count}")):
                found.append(f"<= {bound} s: {count}")
    return found


def latency(part: dict) -> str:
    values = part["latency_ms"]
    return (f"{part['calls_per_second']:.0f} calls/s, p50 {values['p50']:.2f} ms, "
            f"p99 {values['p99']:.2f} ms, most {values['most']:.1f} ms, "
            f"failed {part['failed']}, mixed {part['mixed']} of {part['answers']}, "
            f"others {part['foreign_cores']:.2f} cores")


def moves(part: dict) -> str:
    return f"p50 {part['p50']:.2f} ms, p99 {part['p99']:.2f} ms, most {part['most']:.2f} ms"


def report(result: dict, seconds: float, interval_ms: int, exposition: str) -> None:
    quiet, during, unpaced = result["quiet"], result["during"], result["unpaced"]
    ratio = during["latency_ms"]["p99"] / max(quiet["latency_ms"]["p99"], 1e-9)
    by_round = [after / max(before, 1e-9) for before, after
                in zip(quiet["p99_ms_by_round"], during["p99_ms_by_round"])]
    parts = (quiet, during, unpaced)
    print(f"{result['cycles']} cycles of promote and rollback in {seconds:.0f} s, "
          f"one move each {interval_ms} ms")
    print(f"failed calls   {sum(part['failed'] for part in parts)} (must be 0)")
    print(f"mixed answers  {sum(part['mixed'] for part in parts)} (must be 0)")
    for part in parts:
        if part["example"]:
            print(f"  e.g. {part['example']}")
    print(f"full load      {latency(result['full'])}")
    print(f"quiet          {latency(quiet)}")
    print(f"during         {latency(during)}")
    print(f"p99 ratio      {ratio:.2f} of all calls (goal <= 1.3); by round: median "
          f"{statistics.median(by_round):.2f}, {min(by_round):.2f} to {max(by_round):.2f}")
    pairs = [f"{before:.1f}>{after:.1f}" for before, after
             in zip(quiet["p99_ms_by_round"], during["p99_ms_by_round"])]
    print(f"               p99 quiet > during, ms: {' '.join(pairs)}")
    print(f"promote        {moves(result['promote_ms'])}")
    print(f"rollback       {moves(result['rollback_ms'])}")
    print(f"swaps          {', '.join(swap_buckets(exposition))} (goal <= 50 ms)")
    print(f"memory         {result['resident_mib_first']:.1f} MiB first, "
          f"{result['resident_mib_settled']:.1f} settled, "
          f"{result['resident_mib_last']:.1f} last; "
          f"{result['resident_kib_per_cycle']:+.3f} KiB a cycle after it settled")
    resident = result["resident_kib"]
    steps = [f"{kib / 1024:.1f}" for kib in resident[::max(1, len(resident) // 10)]]
    print(f"               MiB each {max(1, len(resident) // 10)} cycles: {' '.join(steps)}")
    if unpaced["answers"] > 0:
        print("without a pause between the moves:")
        print(f"during         {latency(unpaced)}")
        print(f"promote        {moves(result['unpaced_promote_ms'])}")
        print(f"rollback       {moves(result['unpaced_rollback_ms'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--interval-ms", type=int, default=50, help="between two moves")
    parser.add_argument("--seconds", type=float, default=0,
                        help="of full load and of quiet in each round; 0: as long as "
                             "its moves take, as p99 grows with the time on a busy machine")
    parser.add_argument("--rounds", type=int, default=10, help="that share the cycles")
    parser.add_argument("--unpaced", type=int, default=200,
                        help="further cycles without a pause")
    parser.add_argument("--load", type=float, default=0.7, help="share of the full load")
    parser.add_argument("--json", action="store_true", help="print the raw figures")
    parser.add_argument("flags", nargs="*", help="further flags of resnetd, after --")
    arguments = parser.parse_args()
    if arguments.seconds <= 0:
        arguments.seconds = max(
            1.0, 2e-3 * arguments.cycles * arguments.interval_ms / arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="resnetd-bench-", dir=SOURCE / "build") as name:
        folder = pathlib.Path(name)
        files = [variant(folder / f"{number}.safetensors", number) for number in (1, 2)]
        with Server("--data-dir", folder / "data", *arguments.flags) as server:
            started = time.monotonic()
            done = subprocess.run(
                [BIN / "promotion_load", server.address, str(server.process.pid), *files,
                 *sorted((SOURCE / "demo").glob("digit-*")),
                 f"--cycles={arguments.cycles}", f"--interval-ms={arguments.interval_ms}",
                 f"--seconds={arguments.seconds}", f"--load={arguments.load}",
                 f"--rounds={arguments.rounds}", f"--unpaced={arguments.unpaced}"],
                stdout=subprocess.PIPE, text=True, check=True)
            seconds = time.monotonic() - started
            if arguments.json:
                print(done.stdout)
            else:
                report(json.loads(done.stdout), seconds, arguments.interval_ms,
                       server.get("/metrics")[1])


if __name__ == "__main__":
    main()
