"""The goals of a GPU, as decided from what gpu_bench.py measured.

A goal is a line: what was measured (the median of the rounds, with 95 % or from least to most),
the goal, and whether it holds; or why it was not measured.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench_stats import Goal, Ratio

# What a part of the bench measured, as it is kept in JSON.
Raw = Mapping[str, Any]

OURS, OURS_FP16 = "resnetd bf16", "resnetd fp16"
EAGER, COMPILED = "torch eager bf16", "torch compiled bf16"
# Longest p99 of a server that counts, and how far below it a load is chosen, as rounds differ.
P99_MS, OF_P99 = 15.0, 0.9
# Of the largest logit: as far as ours may be off (docs/gpu.md). Another network is off by 1 or
# so; what the peers round, parameters of batch norms too, is theirs.
BOUNDS = {OURS: 0.05, OURS_FP16: 0.01, EAGER: 0.1, COMPILED: 0.1}


@dataclasses.dataclass(frozen=True)
class Unmeasured:
    """A goal without a figure."""
    id: str
    what: str
    why: str

    def line(self, _: str = "") -> str:
        return f"{self.id:4} {self.what:62} not measured: {self.why}"

    def as_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


Line = Goal | Unmeasured


def difference(expected: Sequence[float], actual: Sequence[float]) -> float:
    """The largest, as a share of the largest expected."""
    return (max(abs(a - b) for a, b in zip(expected, actual, strict=True))
            / max(map(abs, expected)))


def worst_difference(golden: Sequence[Sequence[float]],
                     by_batch: Mapping[str, Sequence[Sequence[float]]]) -> float:
    """Of the first pictures, in batches of every size."""
    return max(difference(expected, actual) for rows in by_batch.values()
               for expected, actual in zip(golden, rows))


def wrong_with(arm: str, off: float) -> str:
    """Why figures of an arm whose logits are off by so much say nothing; empty: they do."""
    # Written so that what is no number is wrong too.
    if off <= BOUNDS[arm]:
        return ""
    return f"{arm} computes something else: off by {off:.3g} of the largest logit"


def _over(id_: str, what: str, ours: Sequence[float], peer: Sequence[float], goal: float) -> Goal:
    ratio = Ratio.of(ours, peer)
    return Goal(id_, what, ratio.value, goal, low=ratio.low, high=ratio.high)


def _median(id_: str, what: str, values: Sequence[float], goal: float,
            at_most: bool = False) -> Goal:
    return Goal(id_, what, statistics.median(values), goal, at_most=at_most, low=min(values),
                high=max(values))


def _without(part: Raw, *arms: str) -> str:
    """Why there are no figures of these arms; empty: there are."""
    for arm in arms:
        if arm not in part["arms"]:
            return part["missing"].get(arm, f"{arm} was left out")
        wrong = wrong_with(arm, part["arms"][arm]["difference"])
        if wrong:
            return wrong
    return ""


def _cell(part: Raw, arm: str, cell: str, figure: str) -> Sequence[float]:
    """A number a round."""
    return part["arms"][arm]["cells"][cell][figure]


def throughput_goals(part: Raw) -> Iterator[Line]:
    """G1: images a second in process. `part["large"]`: the cell of the largest batch."""
    cell = part["large"]
    lines = ((f"bf16 over torch compiled, images a second, {cell}", COMPILED, 1.0),
             (f"bf16 over torch eager, images a second, {cell}", EAGER, 1.8))
    for what, peer, goal in lines:
        why = _without(part, OURS, peer)
        if why:
            yield Unmeasured("G1", what, why)
            continue
        yield _over("G1", what, _cell(part, OURS, cell, "per_second"),
                    _cell(part, peer, cell, "per_second"), goal)
    what = f"bf16, thousands of images a second, {cell}"
    why = _without(part, OURS)
    yield Unmeasured("G1", what, why) if why else _median(
        "G1", what, [each / 1e3 for each in _cell(part, OURS, cell, "per_second")], 25)


def latency_goals(part: Raw) -> Iterator[Line]:
    """G2: one picture at a time, from bytes of the host to logits of the host."""
    cell = part["single"]
    what = "bf16, p50 of one picture in ms"
    why = _without(part, OURS)
    yield Unmeasured("G2", what, why) if why else _median(
        "G2", what, _cell(part, OURS, cell, "p50_ms"), 0.4, at_most=True)
    what = "torch eager over bf16, p50 of one picture"
    why = _without(part, OURS, EAGER)
    yield Unmeasured("G2", what, why) if why else _over(
        "G2", what, _cell(part, EAGER, cell, "p50_ms"), _cell(part, OURS, cell, "p50_ms"), 4)


def best_clients(steps: Sequence[Raw], most_p99_ms: float = OF_P99 * P99_MS) -> int | None:
    """Of rising loads the one with the most pictures a second whose p99 is short enough."""
    short = [step for step in steps
             if step["failed"] == 0 and step["answered"] and step["p99_ms"] <= most_p99_ms]
    if not short:
        return None
    return max(short, key=lambda step: step["per_second"])["clients"]


def served_goals(part: Raw) -> Iterator[Line]:
    """G3: pictures a second over gRPC, of those in process; too late or failed is none."""
    wrong = wrong_with(OURS, part["difference"])
    for pictures in part["pictures_per_call"]:
        what = f"served over in process, p99 <= {P99_MS:g} ms, pixels, {pictures} a call"
        if wrong:
            yield Unmeasured("G3", what, wrong)
            continue
        ratios = []
        for each in part["rounds"]:
            load = each[str(pictures)]
            counts = load["failed"] == 0 and load["answered"] and load["p99_ms"] <= P99_MS
            ratios.append(load["per_second"] / each["in_process"] if counts else 0.0)
        yield _median("G3", what, ratios, 0.82)


def training_goals(part: Raw) -> Iterator[Line]:
    """G4: images a second of whole steps."""
    ours, peer = part["speeds"]["full"], part["speeds"][part["peer"]]
    at = f"{part['precision']} training, B={part['batch']}"
    yield _over("G4", f"{at}, over torch eager", ours, peer, 1.1)
    yield _median("G4", f"{at}, thousands of images a second", [each / 1e3 for each in ours], 4)


def interference_goals(part: Raw) -> Iterator[Line]:
    """G5: with a job beside half of what the server can."""
    rounds = part["rounds"]
    failed = sum(each[arm]["failed"] for each in rounds for arm in ("alone", "beside"))
    if failed:
        yield Unmeasured("G5", "p99 with training over p99 without", f"{failed} calls failed")
    else:
        yield _median("G5", "p99 with training over p99 without, at 0.5 of the load",
                      [each["beside"]["p99_ms"] / each["alone"]["p99_ms"] for each in rounds],
                      1.25, at_most=True)
    speeds = [each["beside"]["steps_a_second"] / each["solo"]["steps_a_second"]
              for each in rounds if each["solo"]["steps_a_second"] > 0]
    what = "steps a second then, of those without calls"
    yield (_median("G5", what, speeds, 0.4) if speeds else
           Unmeasured("G5", what, "the job did too few steps to tell"))


def gradient_goals(part: Raw) -> Iterator[Line]:
    """G6: of a step, as a job does without being told otherwise: every tenth step observed, one
    of noise_spacing with the noise of its gradient too."""
    costs = [100 * (tenth + noise / part["noise_spacing"])
             for tenth, noise in zip(part["every_tenth"], part["noise"], strict=True)]
    yield _median("G6", "gradient statistics, as by default, % of a step", costs, 1, at_most=True)


GOALS: dict[str, Callable[[Raw], Iterator[Line]]] = {
    "G1": throughput_goals, "G2": latency_goals, "G3": served_goals, "G4": training_goals,
    "G5": interference_goals, "G6": gradient_goals}
WHAT = {"G1": "images a second in process", "G2": "latency of one picture",
        "G3": "images a second over gRPC", "G4": "training", "G5": "serving beside training",
        "G6": "gradient statistics"}


def lines_of(id_: str, part: Raw) -> list[Line]:
    """Of one goal; a part that failed has one line that says why."""
    if "why" in part:
        return [Unmeasured(id_, WHAT[id_], part["why"])]
    return list(GOALS[id_](part))
