#!/usr/bin/env python3
# Programs: resnetd resnetctl resnetd_torch
"""Goodput when more is asked of a server than it can do.

A real server on one core, `resnetctl bench` on another: its capacity (a closed
loop, before and after the loads), how it answers when little is asked (0.3 of that), then open Poisson loops
at multiples of the capacity, every call with a deadline, none repeated. Rounds
are interleaved.

Prints, and asserts nothing: answers a second over capacity (goal >= 0.95), the
p99 of what was answered (goal: three times that of a server with little to do,
or the queue's target and two batches), calls that were taken and came late over
all that were taken (goal <= 0.001), the p99 of refusals (goal <= 5 ms), and the
server's most memory beyond that at 1.0 of the capacity (goal <= 64 MiB).

With --megapixels the calls are JPEGs of that size, other than the network's: then what a
server can do is decided by its decoders, and by what is known of their work.

Then recovery: ten times the capacity from callers who repeat every refused call
three times at once, which are 37 attempts where ten calls are due and nine of them
are refused, and from there to 0.8 of the capacity: answered over due, in the first
five seconds and after them (goal after: >= 0.99 of that at 0.8 of the capacity with no
overload before it, as a queue of that target refuses some). And the same by callers of our
client library, which repeats within its budget: tries a call (goal <= 1.2). A line for
each goal says whether it holds.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
from typing import Any

from load_goals import LITTLE, late_of_taken, overload_goals, share_answered
from served_load import (SOURCE, Server, bench, keep, parsed, parser_of, phases_of, place,
                         serve, side_of)

# Attempts over capacity, see above.
NAIVE = 37
AFTER = 0.8
PHOTO = SOURCE / "tests" / "golden" / "image" / "flower.jpg"


def write_photos(folder: pathlib.Path, megapixels: float) -> pathlib.Path:
    """Four JPEGs of so many pixels, 4:3 as cameras take them."""
    from PIL import Image  # pylint: disable=import-outside-toplevel

    folder.mkdir()
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    photo = Image.open(PHOTO)
    for number in range(4):
        # Parts of one picture, so that no two are the same.
        part = photo.crop((number * 40, number * 20, number * 40 + 480, number * 20 + 360))
        part.resize((width, width * 3 // 4), Image.BICUBIC).save(
            folder / f"{number}.jpg", quality=92)
    return folder


def with_retries(server: Server, full: float, options: argparse.Namespace,
                 number: int) -> dict[str, Any]:
    """The most load by callers that repeat what is refused, as our client does."""
    return side_of(server, "--retry", "--rate", f"{max(options.factors) * full:.3f}",
                   "--for", f"{options.seconds}s", "--deadline", options.deadline,
                   "--seed", 100 * number + 3, *options.pictures)


def recover(server: Server, full: float, options: argparse.Namespace,
            number: int) -> list[dict[str, Any]]:
    after = f"{AFTER * full:.3f}"
    return phases_of(server, "--steps",
                     f"{NAIVE * full:.3f}x{options.seconds / 2}s,{after}x5s,"
                     f"{after}x{options.seconds}s",
                     "--deadline", options.deadline, "--seed", 100 * number + 2,
                     *options.pictures)


def capacity_of(server: Server, options: argparse.Namespace) -> float:
    """Answers a second of a closed loop."""
    closed = bench(server, options.seconds / 2, "--clients", 8, *options.pictures)
    return float(closed["answers_per_second"])


def measure(server: Server, options: argparse.Namespace, number: int) -> dict[str, Any]:
    full = capacity_of(server, options)
    part: dict[str, Any] = {}
    for factor in (LITTLE, 1.0, *options.factors):
        part[f"{factor:g}"] = bench(server, options.seconds, "--rate", f"{factor * full:.3f}",
                                    "--deadline", options.deadline, "--seed", 100 * number + 1,
                                    *options.pictures)
    # A core changes its speed by some 10 % within minutes.
    part["capacity"] = (full + capacity_of(server, options)) / 2
    part["retries"] = with_retries(server, full, options, number)
    # What a queue of that target refuses at this load with no overload before it.
    part["calm"] = bench(server, options.seconds, "--rate", f"{AFTER * full:.3f}",
                         "--deadline", options.deadline, "--seed", 100 * number + 2,
                         *options.pictures)
    part["recovery"] = recover(server, full, options, number)
    return part


def recovery_row(rounds: list[dict[str, Any]]) -> str:
    early, after = ([share_answered(part["recovery"][phase]) for part in rounds]
                    for phase in (1, 2))
    calm = statistics.median(share_answered(part["calm"]) for part in rounds)
    return (f"recovery: answered over due in the first 5 s {statistics.median(early):.3f},"
            f" then {statistics.median(after):.3f} ({min(after):.3f} to {max(after):.3f});"
            f" without an overload before {calm:.3f}")


def retries_row(factor: float, rounds: list[dict[str, Any]]) -> str:
    tries = [part["retries"]["retries"]["tries_per_call"] for part in rounds]
    goodput = [part["retries"]["phases"][0]["answers_per_second"] / part["capacity"]
               for part in rounds]
    return (f"with our client's retries at {factor:g}: {max(tries):.3f} tries a call at most,"
            f" goodput {statistics.median(goodput):.3f}")


def row(factor: float, rounds: list[dict[str, Any]]) -> str:
    parts = [(part[f"{factor:g}"], part["capacity"], part["1"]) for part in rounds]

    def median(values: list[float]) -> float:
        return statistics.median(values)

    return (f"{factor:6g}  {median([one['answers_per_second'] / full for one, full, _ in parts]):8.3f}"
            f"  {median([one['latency_ms']['p50'] for one, _, _ in parts]):9.1f}"
            f"  {median([one['latency_ms']['p99'] for one, _, _ in parts]):9.1f}"
            f"  {late_of_taken([one for one, _, _ in parts]):8.4f}"
            f"  {sum(one['refused'] for one, _, _ in parts):8d}"
            f"  {median([one['refused_ms']['p99'] for one, _, _ in parts]):10.2f}"
            f"  {sum(one['failed'] for one, _, _ in parts):7d}"
            f"  {max(one['peak_mib'] - at_one['peak_mib'] for one, _, at_one in parts):9.1f}")


def main() -> None:
    parser = parser_of(__doc__, rounds=3, seconds=20)
    parser.add_argument("--deadline", default="2s", help="of each call")
    parser.add_argument("--factors", type=float, nargs="+", default=[1.2, 2, 5, 10])
    parser.add_argument("--megapixels", type=float,
                        help="of JPEGs to send, e.g. 12; else pixels at the network's size")
    options = parsed(parser)
    cores = sorted(os.sched_getaffinity(0))
    with place() as folder:
        words = serve(folder, options)
        options.pictures = ([write_photos(folder / "photos", options.megapixels)]
                            if options.megapixels else [])
        # Children inherit where they may run.
        os.sched_setaffinity(0, {cores[0]})
        with Server(*words) as server:
            os.sched_setaffinity(0, {cores[-1]})
            bench(server, min(3, options.seconds), "--clients", 8, *options.pictures)
            rounds = []
            for number in range(options.rounds):
                rounds.append(measure(server, options, number))
                print(f"round {number + 1}: capacity {rounds[-1]['capacity']:.1f} calls/s",
                      flush=True)
                keep(rounds, options)
    print("  load   goodput     p50 ms     p99 ms      late   refused  refused ms   failed"
          "  more MiB")
    for factor in (LITTLE, 1.0, *options.factors):
        print(row(factor, rounds))
    print(retries_row(max(options.factors), rounds))
    print(recovery_row(rounds))
    for goal in overload_goals(rounds, options.factors):
        print(goal.line())


if __name__ == "__main__":
    main()
