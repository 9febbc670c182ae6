"""The goals of a GPU at their limits and beyond them, and what is said when one was not measured."""

from __future__ import annotations

import math
import pathlib
import sys
import unittest
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench_stats import Goal  # noqa: E402
from gpu_goals import (COMPILED, EAGER, OURS, OURS_FP16, Unmeasured, best_clients,  # noqa: E402
                       lines_of, worst_difference, wrong_with)


def verdicts(id_: str, part: dict[str, Any]) -> list[bool | str]:
    """Of each line whether it holds, or why it was not measured."""
    return [line.holds if isinstance(line, Goal) else line.why for line in lines_of(id_, part)]


def arm(per_second: float = 1.0, p50_ms: float = 1.0, off: float = 0.01) -> dict[str, Any]:
    """The same in each of five rounds."""
    cell = {"per_second": [per_second] * 5, "p50_ms": [p50_ms] * 5}
    return {"difference": off, "cells": {"B=128": cell, "B=1": cell}}


def in_process(**arms: dict[str, Any]) -> dict[str, Any]:
    names = {"ours": OURS, "eager": EAGER, "compiled": COMPILED}
    return {"large": "B=128", "single": "B=1", "missing": {},
            "arms": {names[name]: each for name, each in arms.items()}}


class InProcessTest(unittest.TestCase):

    def test_throughput_has_to_pass_both_peers_and_a_number(self) -> None:
        for ours, compiled, eager, expected in (
                (25_000, 25_000, 25_000 / 1.8, [True, True, True]),
                (25_000, 25_001, 25_000 / 1.8, [False, True, True]),
                (25_000, 20_000, 25_000 / 1.79, [True, False, True]),
                (24_999, 20_000, 10_000, [True, True, False])):
            part = in_process(ours=arm(ours), compiled=arm(compiled), eager=arm(eager))
            self.assertEqual(verdicts("G1", part), expected, (ours, compiled, eager))

    def test_latency_has_to_pass_a_number_and_eager_torch(self) -> None:
        for ours, eager, expected in ((0.4, 1.6, [True, True]), (0.401, 1.7, [False, True]),
                                      (0.4, 1.59, [True, False])):
            part = in_process(ours=arm(p50_ms=ours), eager=arm(p50_ms=eager))
            self.assertEqual(verdicts("G2", part), expected, (ours, eager))

    def test_a_peer_that_there_is_not_leaves_the_other_goals(self) -> None:
        part = in_process(ours=arm(30_000), eager=arm(10_000))
        part["missing"] = {COMPILED: "it took longer than 200 s"}
        self.assertEqual(verdicts("G1", part), ["it took longer than 200 s", True, True])

    def test_figures_of_another_network_are_none(self) -> None:
        part = in_process(ours=arm(30_000, off=0.051), eager=arm(), compiled=arm())
        self.assertTrue(all("computes something else" in str(why)
                            for why in verdicts("G1", part) + verdicts("G2", part)))
        for name, bound in ((OURS, 0.05), (OURS_FP16, 0.01), (EAGER, 0.1)):
            self.assertEqual(wrong_with(name, bound), "")
            self.assertNotEqual(wrong_with(name, bound * 1.01), "")
            self.assertNotEqual(wrong_with(name, math.nan), "")

    def test_the_worst_of_all_pictures_and_batches_counts(self) -> None:
        golden = [[1.0, -2.0], [4.0, 0.0]]
        self.assertEqual(worst_difference(golden, {"1": [[1.0, -2.0]]}), 0.0)
        self.assertEqual(worst_difference(
            golden, {"1": [[1.0, -2.0]], "8": [[1.0, -1.0], [4.0, 1.0]]}), 0.5)


def load(per_second: float = 82.0, p99_ms: float = 15.0, failed: int = 0,
         clients: int = 8) -> dict[str, Any]:
    return {"clients": clients, "per_second": per_second, "p99_ms": p99_ms, "failed": failed,
            "answered": 100}


class ServedTest(unittest.TestCase):

    def served(self, *loads: dict[str, Any]) -> list[bool | str]:
        return verdicts("G3", {"pictures_per_call": [1], "difference": 0.01, "rounds": [
            {"in_process": 100.0, "1": each} for each in loads]})

    def test_served_holds_at_its_limits_and_not_beyond_them(self) -> None:
        self.assertEqual(self.served(load()), [True])
        self.assertEqual(self.served(load(81.9)), [False])
        self.assertEqual(self.served(load(99, p99_ms=15.1)), [False])
        self.assertEqual(self.served(load(99, failed=1)), [False])

    def test_the_median_of_the_rounds_decides(self) -> None:
        self.assertEqual(self.served(load(), load(), load(p99_ms=16)), [True])
        self.assertEqual(self.served(load(), load(p99_ms=16), load(p99_ms=16)), [False])

    def test_the_load_with_the_most_pictures_whose_p99_is_short_is_chosen(self) -> None:
        steps = [load(50, 5, clients=8), load(90, 13.5, clients=16), load(99, 13.6, clients=32)]
        self.assertEqual(best_clients(steps), 16)
        # More callers may get less.
        self.assertEqual(best_clients([load(50, 5, clients=8), load(40, 6, clients=16)]), 8)
        self.assertIsNone(best_clients([load(50, 13.6), load(90, 5, failed=1)]))
        self.assertIsNone(best_clients([]))


class BesideTrainingTest(unittest.TestCase):

    def beside(self, p99_ms: float = 12.5, steps: float = 4.0, solo: float = 10.0,
               failed: int = 0) -> list[bool | str]:
        return verdicts("G5", {"rounds": [{
            "alone": {"p99_ms": 10.0, "failed": 0},
            "beside": {"p99_ms": p99_ms, "failed": failed, "steps_a_second": steps},
            "solo": {"steps_a_second": solo}}]})

    def test_both_goals_hold_at_their_limits_and_not_beyond_them(self) -> None:
        self.assertEqual(self.beside(), [True, True])
        self.assertEqual(self.beside(p99_ms=12.6), [False, True])
        self.assertEqual(self.beside(steps=3.9), [True, False])

    def test_failed_calls_and_a_job_that_stands_still_are_no_figures(self) -> None:
        self.assertEqual(self.beside(failed=2)[0], "2 calls failed")
        self.assertIn("too few steps", str(self.beside(solo=0.0)[1]))

    def test_training_has_to_pass_eager_torch_and_a_number(self) -> None:
        for ours, peer, expected in ((4400, 4000, [True, True]), (4399, 4000, [False, True]),
                                     (3999, 3000, [True, False])):
            part = {"batch": 256, "precision": "bf16", "peer": "torch",
                    "speeds": {"full": [ours] * 5, "torch": [peer] * 5}}
            self.assertEqual(verdicts("G4", part), expected, (ours, peer))

    def test_statistics_cost_what_they_do_by_default(self) -> None:
        for tenth, noise, expected in ((0.005, 0.5, True), (0.0, 1.01, False),
                                       (0.0101, 0.0, False)):
            part = {"every_tenth": [tenth] * 3, "noise": [noise] * 3, "noise_spacing": 100}
            self.assertEqual(verdicts("G6", part), [expected], (tenth, noise))


class LineTest(unittest.TestCase):

    def test_a_part_that_failed_has_one_line_that_says_why(self) -> None:
        for id_ in ("G1", "G2", "G3", "G4", "G5", "G6"):
            [line] = lines_of(id_, {"why": "no GPU"})
            self.assertIsInstance(line, Unmeasured)
            self.assertRegex(line.line(), f"^{id_} .* not measured: no GPU$")

    def test_where_there_is_no_gpu_nothing_is_judged(self) -> None:
        [line] = lines_of("G6", {"every_tenth": [1.0], "noise": [0.0], "noise_spacing": 100})
        self.assertIn("NOT MET", line.line())
        self.assertRegex(line.line("not a GPU"), "goal <= 1.000  not a GPU$")


if __name__ == "__main__":
    unittest.main()
