"""The goals of servers under load, as decided from what their benches measured.

Each is a line: what was measured (the median of the rounds, and from least to most), the
goal, and whether it holds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench_stats import Goal

# What a round of overload_bench.py measured: of each factor, "capacity" and more.
Round = Mapping[str, Any]

# --max-queue-wait-ms, and the pictures of a batch on a CPU.
QUEUE_WAIT_SECONDS = 1.0
BATCH = 4
LITTLE = 0.3


def goal_of(id_: str, what: str, values: Sequence[float], goal: float,
            at_most: bool = False) -> Goal:
    return Goal(id_, what, statistics.median(values), goal, at_most=at_most,
                low=min(values), high=max(values))


def p99_seconds(phase: Mapping[str, Any]) -> float:
    """Of what was answered; without an answer there is no end to it."""
    return phase["latency_ms"]["p99"] / 1e3 if phase["answered"] else math.inf


def most_p99_seconds(rounds: Sequence[Round]) -> float:
    """Of what is answered, whatever the load: three times that of a server with little to do,
    or the queue's target and two batches."""
    little = statistics.median(part[f"{LITTLE:g}"]["latency_ms"]["p99"] for part in rounds) / 1e3
    capacity = statistics.median(part["capacity"] for part in rounds)
    return max(3 * little, QUEUE_WAIT_SECONDS + 2 * BATCH / capacity)


def share_answered(phase: Mapping[str, Any]) -> float:
    due = phase["answered"] + phase["refused"] + phase["late"] + phase["failed"]
    return phase["answered"] / max(due, 1)


def late_of_taken(phases: Sequence[Mapping[str, Any]]) -> float:
    """Over all rounds, as there are few."""
    taken = sum(phase["answered"] + phase["late"] for phase in phases)
    return sum(phase["late"] for phase in phases) / max(taken, 1)


def overload_goals(rounds: Sequence[Round], factors: Sequence[float]) -> Iterator[Goal]:
    """In the order of the loads; then of callers who repeat what is refused."""
    p99 = most_p99_seconds(rounds)
    for factor in factors:
        phases = [part[f"{factor:g}"] for part in rounds]
        at = f"at {factor:g} of the capacity"
        yield goal_of("R1", f"goodput over capacity, {at}",
                      [phase["answers_per_second"] / part["capacity"]
                       for phase, part in zip(phases, rounds)], 0.95)
        yield goal_of("R1", f"p99 of the answered in s, {at}",
                      [p99_seconds(phase) for phase in phases], p99, at_most=True)
        yield Goal("R1", f"late, of what was taken, {at}", late_of_taken(phases), 0.001,
                   at_most=True)
        yield goal_of("R1", f"p99 of the refused in ms, {at}",
                      [phase["refused_ms"]["p99"] for phase in phases], 5, at_most=True)
        yield goal_of("R1", f"MiB more than at 1 of the capacity, {at}",
                      [phase["peak_mib"] - part["1"]["peak_mib"]
                       for phase, part in zip(phases, rounds)], 64, at_most=True)
    yield goal_of("R2", "answered 5 s after naive repetitions over answered without",
                  [share_answered(part["recovery"][2]) / share_answered(part["calm"])
                   for part in rounds], 0.99)
    yield goal_of("R2", "tries a call of our client at the most load",
                  [part["retries"]["retries"]["tries_per_call"] for part in rounds], 1.2,
                  at_most=True)


# What a round of serving_bench.py measures -> id, goal, whether it is the most.
SERVING = {
    "one JPEG": ("S1", "p50 of one JPEG over decoding and engine", 1.15, True),
    "pixels": ("S2", "pictures a second over the engine's, pixels", 0.95, False),
    "JPEG": ("S3", "pictures a second over the engine's, JPEG", 0.85, False),
    "Poisson, 0.7": ("S4", "p99 over that of M/D/1, at 0.7 of the engine", 1.15, True),
    "Poisson, 0.4": ("S5", "p99 over one picture, at 0.4 of all cores", 2.5, True),
}


def serving_goals(rounds: Sequence[Mapping[str, float]]) -> Iterator[Goal]:
    for key, (id_, what, goal, at_most) in SERVING.items():
        yield goal_of(id_, what, [part[key] for part in rounds], goal, at_most)
