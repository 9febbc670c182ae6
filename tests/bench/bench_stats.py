"""What the benches that compare two programs say about a list of rounds."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections.abc import Sequence


def interval(ours: Sequence[float], peer: Sequence[float]) -> tuple[float, float]:
    """95 % of the median of the rounds' ratios, by bootstrap over the rounds."""
    ratios = [a / b for a, b in zip(ours, peer)]
    draw = random.Random(1)
    medians = sorted(
        statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Ours over a peer's, of rounds that were measured in turns."""
    value: float
    low: float
    high: float

    @staticmethod
    def of(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
        low, high = interval(ours, peer)
        return Ratio(statistics.median(a / b for a, b in zip(ours, peer)), low, high)


@dataclasses.dataclass(frozen=True)
class Goal:
    """One line of the table of goals in docs/benchmarks.md, measured."""
    id: str
    what: str
    value: float
    goal: float
    at_most: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def line(self, verdict: str = "") -> str:
        """As engine_bench prints its own. `verdict`: instead of whether it holds."""
        spread = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return (f"{self.id:4} {self.what:62} {self.value:8.3f}{spread:19}  goal"
                f" {'<=' if self.at_most else '>='} {self.goal:.3f}"
                f"  {verdict or ('holds' if self.holds else 'NOT MET')}")

    def as_json(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "holds": self.holds}
