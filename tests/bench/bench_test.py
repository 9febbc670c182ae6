"""What the benches decide without measuring: how many rounds, which goals."""

from __future__ import annotations

import pathlib
import sys
import unittest
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench_stats import Goal, Ratio  # noqa: E402
from bench_turns import Turns  # noqa: E402
from peers_goals import Cell, goals_of  # noqa: E402


def rounds(wanted: int, ends: float | None, lengths: list[float]) -> int:
    """Of a bench whose rounds take so long, one after the other."""
    now = [0.0]
    turns = Turns(wanted, ends, clock=lambda: now[0])
    each: Iterator[float] = iter(lengths)
    while turns.another():
        now[0] += next(each)
    return turns.done


class TurnsTest(unittest.TestCase):

    def test_without_an_end_there_are_as_many_rounds_as_wanted(self) -> None:
        self.assertEqual(rounds(5, None, [100.0] * 9), 5)
        self.assertEqual(rounds(1, None, [1.0] * 9), 1)

    def test_a_round_that_would_end_too_late_is_not_begun(self) -> None:
        for ends, expected in ((40.0, 4), (39.9, 3), (50.0, 5), (60.0, 5)):
            self.assertEqual(rounds(5, ends, [10.0] * 9), expected, ends)

    def test_the_longest_round_so_far_says_what_another_may_take(self) -> None:
        self.assertEqual(rounds(9, 20.0, [1, 8, 1, 1, 1, 1, 1, 1, 1]), 6)

    def test_there_is_one_round_however_late_it_is(self) -> None:
        self.assertEqual(rounds(5, -1.0, [10.0] * 9), 1)


def cell(precisions: dict[tuple[str, str], float], threads: int = 1,
         peaks: dict[str, float] | None = None) -> Cell:
    """Of arms that take as many seconds in each of five rounds."""
    seconds = {arm: [value] * 5 for arm, value in precisions.items()}
    return Cell("resnet18", 4, threads, seconds, seconds, operations=100,
                peaks={precision: [peak] * 5 for precision, peak in (peaks or {}).items()},
                differences={arm: 1e-6 for arm in precisions})


class GoalsTest(unittest.TestCase):

    def goals(self, *args, **options) -> dict[str, bool]:
        return {f"{goal.id} {goal.what.split(',')[0]}": goal.holds
                for goal in goals_of([cell(*args, **options)])}

    def test_int8_has_to_pass_each_peer_or_come_near_the_peak(self) -> None:
        found = self.goals({("resnetd", "int8"): 1.0, ("openvino", "int8"): 1.03,
                            ("ort", "int8"): 1.11}, peaks={"int8": 100 / 0.96})
        self.assertEqual(found, {"C1 int8 over OpenVINO": True,
                                 "C1 int8 over ONNX Runtime": False,
                                 "C1   or: int8": True})

    def test_fp32_has_to_pass_the_better_of_its_peers_and_eager_torch(self) -> None:
        found = self.goals({("resnetd", "fp32"): 1.0, ("openvino", "fp32"): 1.5,
                            ("ort", "fp32"): 1.01, ("torch", "fp32"): 1.35})
        self.assertEqual(found, {"C4 fp32 over ONNX Runtime": False,
                                 "C4 fp32 over torch eager": True, "C5 fp32": True})

    def test_bf16_has_to_pass_its_peers_and_our_fp32(self) -> None:
        found = self.goals({("resnetd", "bf16"): 1.0, ("resnetd", "fp32"): 1.89,
                            ("openvino", "bf16"): 2.0, ("compiled", "bf16"): 1.02})
        self.assertEqual(found, {"C3 bf16 over torch compiled": True,
                                 "C3 bf16 over our fp32": False, "C5 fp32": True})

    def test_latency_on_two_threads_is_that_of_the_clock(self) -> None:
        found = self.goals({("resnetd", "int8"): 0.92, ("openvino", "int8"): 1.0,
                            ("ort", "int8"): 1.0}, threads=2)
        self.assertEqual(found, {"C2 int8 latency over OpenVINO": True,
                                 "C2 int8 latency over ONNX Runtime": False})

    def test_arms_that_there_are_not_have_no_goals(self) -> None:
        self.assertEqual(self.goals({("ort", "int8"): 1.0}), {})

    def test_a_goal_holds_at_its_limit(self) -> None:
        self.assertTrue(Goal("x", "", 1.02, 1.02).holds)
        self.assertFalse(Goal("x", "", 1.019, 1.02).holds)
        self.assertTrue(Goal("x", "", 0.8, 0.8, at_most=True).holds)
        self.assertIn("NOT MET", Goal("x", "", 0.81, 0.8, at_most=True).line())

    def test_a_ratio_is_the_median_of_the_rounds(self) -> None:
        ratio = Ratio.of([2.0, 3.0, 40.0], [1.0, 1.0, 1.0])
        self.assertEqual(ratio.value, 3.0)
        self.assertLessEqual(ratio.low, 3.0)
        self.assertGreaterEqual(ratio.high, 3.0)


if __name__ == "__main__":
    unittest.main()
