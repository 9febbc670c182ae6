"""What the benches decide without measuring: how many rounds, which goals."""

from __future__ import annotations

import pathlib
import sys
import unittest
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench_stats import Goal, Ratio  # noqa: E402
from bench_turns import Turns  # noqa: E402
from load_goals import SERVING, overload_goals, serving_goals  # noqa: E402
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


def phase(per_second: float = 10.0, p99_ms: float = 500.0, **more: float) -> dict[str, object]:
    """What one load had: everything answered, unless `more` says otherwise."""
    ends = {"answered": 100.0, "refused": 0.0, "late": 0.0, "failed": 0.0}
    return {**{key: more.get(key, value) for key, value in ends.items()},
            "answers_per_second": per_second, "latency_ms": {"p99": p99_ms},
            "refused_ms": {"p99": more.get("refused_ms", 1.0)},
            "peak_mib": more.get("peak_mib", 100.0)}


def overload(at_ten: dict[str, object], tries: float = 1.1,
             after: dict[str, object] | None = None,
             calm: dict[str, object] | None = None) -> dict[str, object]:
    """A round of a server with a capacity of ten calls a second."""
    return {"capacity": 10.0, "0.3": phase(3, 100), "1": phase(), "10": at_ten,
            "retries": {"retries": {"tries_per_call": tries}}, "calm": calm or phase(),
            "recovery": [phase(), phase(), after or phase()]}


class LoadGoalsTest(unittest.TestCase):

    def missed(self, *rounds: dict[str, object]) -> list[str]:
        return [goal.what.split(",")[0] for goal in overload_goals(rounds, [10])
                if not goal.holds]

    def test_each_goal_holds_at_its_limit_and_not_beyond_it(self) -> None:
        # A target of 1 s and two batches of four.
        self.assertEqual(self.missed(overload(phase(
            9.5, 1800, late=1.0, answered=999.0, refused_ms=5.0, peak_mib=164.0), tries=1.2,
            after=phase(answered=99.0, refused=1.0))), [])
        for wrong, what in (
                (phase(9.49), "goodput over capacity"),
                (phase(p99_ms=1801), "p99 of the answered in s"),
                (phase(late=1.0, answered=998.0), "late"),
                (phase(refused_ms=5.1), "p99 of the refused in ms"),
                (phase(peak_mib=164.1), "MiB more than at 1 of the capacity")):
            self.assertEqual(self.missed(overload(wrong)), [what])
        self.assertEqual(self.missed(overload(phase(), tries=1.21)),
                         ["tries a call of our client at the most load"])
        self.assertEqual(
            self.missed(overload(phase(), after=phase(answered=98.0, refused=2.0))),
            ["answered 5 s after naive repetitions over answered without"])
        # What that load alone does not get answered is not the overload's.
        self.assertEqual(
            self.missed(overload(phase(), after=phase(answered=98.0, refused=2.0),
                                 calm=phase(answered=98.9, refused=1.1))), [])

    def test_without_an_answer_nothing_holds_that_is_about_answers(self) -> None:
        none = phase(0, 0, answered=0.0, refused=100.0)
        self.assertEqual(self.missed(overload(none)),
                         ["goodput over capacity", "p99 of the answered in s"])

    def test_a_slow_server_may_take_three_times_what_it_takes_with_little_to_do(self) -> None:
        slow = overload(phase(p99_ms=2700))
        slow["0.3"] = phase(3, 900)
        self.assertEqual(self.missed(slow), [])

    def test_the_median_of_the_rounds_decides(self) -> None:
        good, bad = overload(phase()), overload(phase(5))
        self.assertEqual(self.missed(bad, good, good), [])
        self.assertEqual(self.missed(bad, bad, good), ["goodput over capacity"])

    def test_late_answers_are_counted_over_all_rounds(self) -> None:
        late = overload(phase(late=1.0, answered=500.0))
        self.assertEqual(self.missed(late, overload(phase(answered=499.0))), [])
        self.assertEqual(self.missed(late, overload(phase(answered=498.0))), ["late"])

    def test_serving_holds_at_its_limits_and_not_beyond_them(self) -> None:
        limits = {"one JPEG": 1.15, "pixels": 0.95, "JPEG": 0.85, "Poisson, 0.7": 1.15,
                  "Poisson, 0.4": 2.5}
        self.assertTrue(all(goal.holds for goal in serving_goals([limits])))
        for key, limit in limits.items():
            worse = limit + (0.01 if SERVING[key][3] else -0.01)
            wrong = [goal.id for goal in serving_goals([{**limits, key: worse}])
                     if not goal.holds]
            self.assertEqual(wrong, [SERVING[key][0]])


if __name__ == "__main__":
    unittest.main()
