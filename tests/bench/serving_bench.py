#!/usr/bin/env python3
# Programs: resnetd resnetctl resnetd_torch engine_bench
"""What a server adds to the time of its engine, while it has little to do and at 70 %.

The engine alone in one process (engine_bench), then a real server of one worker on
the same core with `resnetctl bench` on another core, in interleaved rounds; and a
server of one worker a core. All on a ResNet-50 in fp32.

Prints, and asserts nothing, medians over the rounds, and a line for each goal, of

  one JPEG        p50 of single calls over decoding and one image of the engine, both
                  measured alone (goal <= 1.15)
  pixels, JPEG    calls a second of eight callers over images a second of the engine,
                  of JPEG with the time to decode counted (goals >= 0.95, >= 0.85)
  Poisson, 0.7    p99 of pixels over what a queue of one server with constant times
                  has (M/D/1, simulated; goal <= 1.15)
  Poisson, 0.4    p99 of pixels with a worker on each core over one image of the engine
                  (goal <= 2.5); the callers take part of these cores

Beside other servers: ./dev bench servers. Beyond what a server can do: ./dev bench overload.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
from typing import Any

from load_goals import p99_seconds, serving_goals
from served_load import BIN, SOURCE, Server, bench, keep, parsed, parser_of, place, serve

JPEG = SOURCE / "tests" / "golden" / "image" / "flower.jpg"
CALLERS = 8


def p99_of_queue(load: float, workers: int, seed: int = 1, calls: int = 400_000) -> float:
    """The p99 of the time in a queue M/D/c, in service times."""
    source = random.Random(seed)
    free = [0.0] * workers
    now, times = 0.0, []
    for _ in range(calls):
        now += source.expovariate(load * workers)
        ends = max(now, heapq.heappop(free)) + 1
        heapq.heappush(free, ends)
        times.append(ends - now)
    return sorted(times)[int(0.99 * calls)]


def engine_seconds(architecture: str) -> dict[int, float]:
    """Of a batch, by its size, on one thread."""
    told = subprocess.run([BIN / "engine_bench", "--threads=1", "--precision=fp32",
                           "--batch=1,4", "--rounds=5", architecture],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.findall(r"T=1 fp32 +B=(\d+) +wall +([\d.]+) ms", told)
    if not found:
        raise SystemExit(f"engine_bench says no time of a batch in fp32:\n{told}")
    return {int(size): float(wall) / 1e3 for size, wall in found}


def decode_seconds(server: Server) -> float:
    """To decode and preprocess the JPEG, as the server measures it."""
    times = []
    for _ in range(15):
        done = server.ctl("classify", JPEG, "-m", "served", "-o", "json")
        if done.returncode != 0:
            raise SystemExit(f"{done.stderr}{done.stdout}")
        timing = json.loads(done.stdout)["timing"]
        times.append((timing["decode_ms"] + timing["preprocess_ms"]) / 1e3)
    return statistics.median(times)


def measure(one: Server, all_cores: Server, cores: list[int], number: int,
            options: argparse.Namespace) -> dict[str, float]:
    os.sched_setaffinity(0, {cores[0]})
    engine = engine_seconds(options.architecture)
    os.sched_setaffinity(0, {cores[-1]})
    decode = decode_seconds(one)

    def load(server: Server, *words: object) -> dict[str, Any]:
        return bench(server, options.seconds, *words)

    quiet = load(one, "--clients", 1, JPEG)
    pixels = load(one, "--clients", CALLERS)
    pictures = load(one, "--clients", CALLERS, JPEG)
    busy = load(one, "--rate", f"{0.7 / engine[1]:.3f}", "--seed", number + 1)
    os.sched_setaffinity(0, set(cores))
    half = load(all_cores, "--rate", f"{0.4 * len(cores) / engine[1]:.3f}", "--seed", number + 1)
    best = engine[4] / 4
    return {
        "engine, one image, ms": engine[1] * 1e3,
        "engine, images/s of four": 1 / best,
        "decoding, ms": decode * 1e3,
        "one JPEG": quiet["latency_ms"]["p50"] / 1e3 / (decode + engine[1]),
        "pixels": pixels["answers_per_second"] * best,
        "JPEG": pictures["answers_per_second"] * (best + decode),
        "Poisson, 0.7": p99_seconds(busy) / engine[1] / p99_of_queue(0.7, 1),
        "Poisson, 0.4": p99_seconds(half) / engine[1],
    }


def export(server: Server, folder: pathlib.Path) -> tuple[object, ...]:
    """What another server is told so that it serves the same model."""
    weights, labels = folder / "served.safetensors", folder / "labels.txt"
    done = server.ctl("models", "export", "served@1", weights, "--labels", labels)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return ("--weights", weights, "--labels", labels)


def main() -> None:
    options = parsed(parser_of(__doc__, rounds=5, seconds=10))
    cores = sorted(os.sched_getaffinity(0))
    with place() as folder:
        words = serve(folder, options)
        with Server(*words, "--workers", len(cores)) as all_cores:
            alone = words if options.weights else export(all_cores, folder)
            os.sched_setaffinity(0, {cores[0]})
            with Server(*alone) as one:
                rounds = []
                for number in range(options.rounds):
                    rounds.append(measure(one, all_cores, cores, number, options))
                    print(f"round {number + 1}: " + ", ".join(
                        f"{key} {value:.3g}" for key, value in rounds[-1].items()), flush=True)
                    keep(rounds, options)
    print(f"{'':26}  median     from       to")
    for key in rounds[0]:
        values = [part[key] for part in rounds]
        print(f"{key:26}{statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    for goal in serving_goals(rounds):
        print(goal.line())


if __name__ == "__main__":
    main()
