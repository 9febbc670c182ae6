"""The goals of the engine beside others, as decided from what was measured."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence

from bench_stats import Goal, Ratio
from peers_arms import OURS, PEERS

# (engine, precision) -> seconds a batch, a number a round.
Seconds = Mapping[tuple[str, str], Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What all arms took for one batch size, measured in turns."""
    architecture: str
    batch: int
    threads: int
    cpu: Seconds
    wall: Seconds
    # Of our arms, by precision: operations of a batch, and the most that one core did in a
    # second in loops of registers, just before each round, as its clock changes; 0: not known.
    operations: float = 0
    peaks: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    # By arm: the largest difference to the golden logits, in their scale.
    differences: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.architecture}, B={self.batch}, T={self.threads}"

    def share_of_peak(self, precision: str) -> Ratio | None:
        peaks = self.peaks.get(precision, [0])
        if not all(peaks):
            return None
        return Ratio.of([self.operations / peak for peak in peaks], self.cpu[OURS, precision])


def _speed(cell: Cell, id_: str, precision: str, peers: Sequence[tuple[str, float]],
           least_of_peak: float) -> Iterator[Goal]:
    """Images a CPU-second beside each of `peers`, a goal each. Near enough to the peak of the
    core, which nobody passes, is as good."""
    share = cell.share_of_peak(precision)
    for engine, goal in peers:
        if (engine, precision) in cell.cpu:
            ratio = Ratio.of(cell.cpu[engine, precision], cell.cpu[OURS, precision])
            yield Goal(id_, f"{precision} over {PEERS[engine]}, {cell.where}", ratio.value,
                       goal, low=ratio.low, high=ratio.high)
    if share:
        yield Goal(id_, f"  or: {precision}, share of the core's peak, {cell.where}",
                   share.value, least_of_peak, low=share.low, high=share.high)


def _best(cell: Cell, precision: str, engines: Sequence[str]) -> list[str]:
    """The fastest of `engines`, as a list of one; empty: none was measured."""
    there = [engine for engine in engines if (engine, precision) in cell.cpu]
    return sorted(there, key=lambda engine: statistics.median(cell.cpu[engine, precision]))[:1]


def _throughput(cell: Cell) -> Iterator[Goal]:
    if (OURS, "int8") in cell.cpu:
        yield from _speed(cell, "C1", "int8", [("openvino", 1.03), ("ort", 1.12)], 0.95)
    if (OURS, "bf16") in cell.cpu:
        best = _best(cell, "bf16", ["openvino", "compiled"])
        yield from _speed(cell, "C3", "bf16", [(engine, 1.02) for engine in best], 0.97)
        if (OURS, "fp32") in cell.cpu:
            ratio = Ratio.of(cell.cpu[OURS, "fp32"], cell.cpu[OURS, "bf16"])
            yield Goal("C3", f"bf16 over our fp32, {cell.where}", ratio.value, 1.9,
                       low=ratio.low, high=ratio.high)
    if (OURS, "fp32") in cell.cpu:
        best = _best(cell, "fp32", ["openvino", "ort"])
        yield from _speed(cell, "C4", "fp32", [(engine, 1.02) for engine in best], 0.97)
        yield from _speed(dataclasses.replace(cell, peaks={}), "C4", "fp32", [("torch", 1.35)], 0)
        yield Goal("C5", f"fp32, difference to float64 in 1e-5 of the scale, {cell.where}",
                   cell.differences[OURS, "fp32"] / 1e-5, 1, at_most=True)


def _latency(cell: Cell) -> Iterator[Goal]:
    for engine, goal in (("openvino", 0.92), ("ort", 0.80)):
        if {(OURS, "int8"), (engine, "int8")} <= cell.wall.keys():
            ratio = Ratio.of(cell.wall[OURS, "int8"], cell.wall[engine, "int8"])
            yield Goal("C2", f"int8 latency over {PEERS[engine]}, {cell.where}", ratio.value,
                       goal, at_most=True, low=ratio.low, high=ratio.high)


def goals_of(cells: Sequence[Cell]) -> list[Goal]:
    """One a line, in the order of the cells."""
    return [goal for cell in cells
            for goal in (_throughput(cell) if cell.threads == 1 else _latency(cell))]
