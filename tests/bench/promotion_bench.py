#!/usr/bin/env python3
"""Promotes and rolls back under load, on a real server with a data directory.

Prints, and asserts nothing:
  failed calls and answers whose version, digest and logits do not belong together
  (both must be 0), p50 and p99 of Classify while nothing changes and while the
  alias moves, the times of promotions and of their swaps, the server's memory.
"""

from __future__ import annotations

import argparse
import json
import pathlib
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
            f"failed {part['failed']}, mixed {part['mixed']} of {part['answers']}")


def moves(part: dict) -> str:
    return f"p50 {part['p50']:.2f} ms, p99 {part['p99']:.2f} ms, most {part['most']:.2f} ms"


def report(result: dict, seconds: float, exposition: str) -> None:
    quiet, during = result["quiet"], result["during"]
    ratio = during["latency_ms"]["p99"] / max(quiet["latency_ms"]["p99"], 1e-9)
    print(f"{result['cycles']} cycles of promote and rollback in {seconds:.0f} s")
    print(f"failed calls   {quiet['failed'] + during['failed']} (must be 0)")
    print(f"mixed answers  {quiet['mixed'] + during['mixed']} (must be 0)")
    for part in (quiet, during):
        if part["example"]:
            print(f"  e.g. {part['example']}")
    print(f"full load      {latency(result['full'])}")
    print(f"quiet          {latency(quiet)}")
    print(f"during         {latency(during)}")
    print(f"p99 ratio      {ratio:.2f} (goal <= 1.3)")
    print(f"promote        {moves(result['promote_ms'])}")
    print(f"rollback       {moves(result['rollback_ms'])}")
    print(f"swaps          {', '.join(swap_buckets(exposition))} (goal <= 50 ms)")
    print(f"memory         {result['resident_mib_first']:.1f} MiB first, "
          f"{result['resident_mib_settled']:.1f} settled, "
          f"{result['resident_mib_last']:.1f} last; "
          f"{result['resident_kib_per_cycle']:+.3f} KiB a cycle after it settled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--interval-ms", type=int, default=20, help="between two moves")
    parser.add_argument("--seconds", type=float, default=5, help="of full load and of quiet")
    parser.add_argument("--load", type=float, default=0.7, help="share of the full load")
    parser.add_argument("--json", action="store_true", help="print the raw figures")
    parser.add_argument("flags", nargs="*", help="further flags of resnetd, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resnetd-bench-", dir=SOURCE / "build") as name:
        folder = pathlib.Path(name)
        files = [variant(folder / f"{number}.safetensors", number) for number in (1, 2)]
        with Server("--data-dir", folder / "data", *arguments.flags) as server:
            started = time.monotonic()
            done = subprocess.run(
                [BIN / "promotion_load", server.address, str(server.process.pid), *files,
                 *sorted((SOURCE / "demo").glob("digit-*")),
                 f"--cycles={arguments.cycles}", f"--interval-ms={arguments.interval_ms}",
                 f"--seconds={arguments.seconds}", f"--load={arguments.load}"],
                stdout=subprocess.PIPE, text=True, check=True)
            seconds = time.monotonic() - started
            if arguments.json:
                print(done.stdout)
            else:
                report(json.loads(done.stdout), seconds, server.get("/metrics")[1])


if __name__ == "__main__":
    main()
