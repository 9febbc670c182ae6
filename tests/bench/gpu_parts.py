"""What gpu_bench.py measures for each goal. Each part returns figures that JSON can keep, which
gpu_goals.py judges, or raises Failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

from bench_turns import Turns
from gpu_arms import HERE, Arm, Failed, Place
from gpu_goals import COMPILED, EAGER, OURS, OURS_FP16, best_clients
from interference_bench import Arm as JobArm
from interference_bench import pause, write_pictures
from served_load import Server, phases_of

# Two workers, as the server has them for a GPU.
IN_FLIGHT = 2
STEADY = "torch nhwc fused bf16"


def _wait_for(arms: dict[str, Arm], place: Place, missing: dict[str, str]) -> dict[str, Any]:
    """By name, what each arm says that can measure; takes the others out of `arms`."""
    started = time.monotonic()
    ready: dict[str, Any] = {}
    for name, arm in list(arms.items()):
        place.progress.show(f"{name} starts")
        seconds = place.left()
        if name == COMPILED:
            seconds = min(seconds, started + place.plan.compile_seconds - time.monotonic())
        try:
            ready[name] = arm.ready(seconds, place.golden())
        except Failed as reason:
            missing[name] = str(reason)
            arm.process.kill()
            arm.end()
            del arms[name]
    return ready


def _cells(place: Place, goals: Sequence[str]) -> list[tuple[str, int, int]]:
    """(arm, batch, in flight) of a round."""
    plan, cells = place.plan, []
    if "G1" in goals:
        cells += [(name, batch, IN_FLIGHT) for name in (OURS, OURS_FP16, EAGER)
                  for batch in plan.batches]
        cells.append((COMPILED, plan.batches[-1], IN_FLIGHT))
    if "G2" in goals:
        cells += [(name, 1, 1) for name in (OURS, EAGER)]
    return cells


def _cell(batch: int, in_flight: int) -> str:
    return f"B={batch}, {in_flight} in flight"


def in_process(place: Place, goals: Sequence[str]) -> dict[str, Any]:
    """G1, G2: networks without a server, in turns."""
    plan = place.plan
    cells = _cells(place, goals)
    wanted = {name for name, _, _ in cells}
    missing = {name: "it was left out (--quick, --peers)"
               for name, peer in ((EAGER, "eager"), (COMPILED, "compiled"))
               if name in wanted and peer not in plan.peers}
    arms: dict[str, Arm] = {}
    with contextlib.ExitStack() as ends:
        def start(name: str, arm: Arm) -> None:
            arms[name] = arm
            ends.callback(arm.end)

        sizes = plan.batches if "G1" in goals else plan.batches[:1]
        # The one that takes minutes first; it is waited for last.
        if COMPILED in wanted - missing.keys():
            start(COMPILED, Arm.torch("compiled", place, plan.batches[-1:]))
        start(OURS, Arm.ours("bf16", place, sizes))
        if OURS_FP16 in wanted:
            start(OURS_FP16, Arm.ours("fp16", place, sizes))
        if EAGER in wanted - missing.keys():
            start(EAGER, Arm.torch("eager", place, sizes))
        if COMPILED in arms:
            arms[COMPILED] = arms.pop(COMPILED)
        ready = _wait_for(arms, place, missing)
        if OURS not in arms:
            raise Failed(missing[OURS])
        figures = _rounds(place, arms, [cell for cell in cells if cell[0] in arms])
    return {"large": _cell(plan.batches[-1], IN_FLIGHT), "single": _cell(1, 1),
            "missing": missing,
            "arms": {name: {**ready[name], "cells": figures[name]} for name in arms}}


def _rounds(place: Place, arms: dict[str, Arm],
            cells: Sequence[tuple[str, int, int]]) -> dict[str, Any]:
    """By arm, cell and figure: a number a round."""
    figures: dict[str, Any] = {name: {} for name in arms}
    for name, batch, in_flight in cells:
        figures[name][_cell(batch, in_flight)] = {}  # in this order
        arms[name].round(batch, place.plan.seconds / 2, in_flight)  # warm-up
    turns = Turns(place.plan.rounds, place.ends)
    while turns.another():
        turn = turns.done % len(cells)
        for name, batch, in_flight in [*cells[turn:], *cells[:turn]]:
            place.progress.show(f"round {turns.done}: {name}, {_cell(batch, in_flight)}")
            told = arms[name].round(batch, place.plan.seconds, in_flight)
            for figure, value in told.items():
                figures[name][_cell(batch, in_flight)].setdefault(figure, []).append(value)
    return figures


def _server_words(place: Place) -> list[object]:
    """Limits that keep one address from taking a server's place are for others."""
    return ["--backend=torch", f"--device={place.device}", "--precision=bf16",
            "--model", place.weights.parent, "--max-batch", place.plan.batches[-1],
            "--max-calls-per-connection", 1024, "--max-calls-per-client", 4096,
            "--max-bytes-held-per-client", 1 << 30, "--max-bytes-held", 1 << 30,
            "--max-queue-wait-ms", 60_000]


def _load(server: Server, seconds: float, *words: object) -> dict[str, Any]:
    """Of calls with pixels of noise."""
    phase = phases_of(server, "--for", f"{round(1e3 * seconds)}ms", *words)[0]
    return {"per_second": phase["pictures_per_second"], "p50_ms": phase["latency_ms"]["p50"],
            "p99_ms": phase["latency_ms"]["p99"], "answered": phase["answered"],
            "failed": phase["failed"] + phase["refused"] + phase["late"],
            "errors": phase["errors"]}


def served(place: Place) -> dict[str, Any]:
    """G3: the server beside the same network in process, in turns."""
    plan = place.plan
    with contextlib.ExitStack() as ends:
        arm = Arm.ours("bf16", place, plan.batches)
        ends.callback(arm.end)
        ready = arm.ready(place.left(), place.golden())
        place.progress.show("the server starts")
        server = ends.enter_context(Server(*_server_words(place)))

        def load(pictures: int, clients: int) -> dict[str, Any]:
            calls = max(clients // pictures, 1)
            place.progress.show(f"{calls} callers with {pictures} pictures a call")
            told = _load(server, plan.load_seconds, "--clients", calls, "--batch", pictures)
            return {"clients": clients, **told}

        load(plan.pictures_per_call[0], plan.clients[0])  # warm-up
        steps = {str(pictures): [load(pictures, clients) for clients in plan.clients]
                 for pictures in plan.pictures_per_call}
        rounds = []
        turns = Turns(plan.rounds, place.ends)
        while turns.another():
            each: dict[str, Any] = {"in_process": arm.round(
                plan.batches[-1], plan.load_seconds, IN_FLIGHT)["per_second"]}
            for pictures in plan.pictures_per_call:
                best = best_clients(steps[str(pictures)]) or plan.clients[0]
                each[str(pictures)] = load(pictures, best)
            rounds.append(each)
    return {"pictures_per_call": list(plan.pictures_per_call), "steps": steps, "rounds": rounds,
            "difference": ready["difference"]}


def training(place: Place) -> dict[str, Any]:
    """G4: training_bench.py on the device."""
    plan = place.plan
    place.progress.show("training beside torch eager")
    raw = place.folder / "training.json"
    peer = STEADY if place.on_gpu else "torch nhwc fused"
    place.run([place.python, HERE / "training_bench.py", "--program",
               place.program("training_bench"), "--device", place.device, "--architecture",
               plan.architecture, "--weights", place.weights, "--side", place.side, "--batch",
               plan.train_batch, "--steps", plan.train_steps, "--rounds", plan.rounds, "--arms",
               "full", "--precision", place.train_precision, "--peers", peer, "--raw", raw],
              place.outside())
    return {**json.loads(raw.read_text()), "peer": peer, "batch": plan.train_batch,
            "precision": place.train_precision}


def beside_training(place: Place) -> dict[str, Any]:
    """G5: calls alone and beside a job, and the job alone, in turns."""
    plan = place.plan
    # Of the host one core is the job's, which is not to wait for the callers.
    words = [] if place.on_gpu else ["--train-threads", 1, "--training-gives-way=false"]
    with Server(*_server_words(place), "--data-dir", place.folder / "data", *words) as server:
        place.progress.show("a job starts beside the server")
        write_pictures(place.folder / "photos", place.side, 24)
        arm = JobArm(server)
        arm.ctl("data", "upload", place.folder / "photos", "--dataset", "pictures", "--seal")
        arm.start_job(argparse.Namespace(architecture=plan.architecture, input_size=place.side,
                                         batch=plan.job_batch))

        def calls(rate: float, seconds: float) -> dict[str, Any]:
            return _load(server, seconds, "--rate", f"{rate:.3f}")

        full = _load(server, plan.beside_seconds / 2, "--clients", plan.clients[-1])
        rate = full["per_second"] / 2
        rounds: list[dict[str, Any]] = []
        turns = Turns(plan.rounds, place.ends)
        while turns.another():
            place.progress.show(f"round {turns.done}: {rate:.0f} calls a second beside training")
            each = {"alone": calls(rate, plan.beside_seconds)}
            arm.resume()
            begin = time.time()
            each["beside"] = calls(rate, plan.beside_seconds)
            each["beside"]["steps_a_second"] = arm.steps_a_second(begin, time.time())
            begin = time.time()
            pause(plan.beside_seconds / 2)
            each["solo"] = {"steps_a_second": arm.steps_a_second(begin, time.time())}
            arm.pause()
            rounds.append(each)
        arm.ctl("train", "cancel", arm.job)
    return {"full": full, "rate": rate, "rounds": rounds, "batch": plan.job_batch}


def gradients(place: Place) -> dict[str, Any]:
    """G6: gradients_bench on the device."""
    place.progress.show("gradient statistics")
    raw = place.folder / "gradients.json"
    place.run([place.program("gradients_bench"), *place.plan.gradients, place.device,
               place.train_precision, raw])
    return {**json.loads(raw.read_text()), "batch": place.plan.gradients[0]}


def tables_of(parts: dict[str, Any]) -> list[str]:
    """What was measured beside the goals, a line each."""
    lines: list[str] = []
    for name, arm in parts.get("in process", {}).get("arms", {}).items():
        memory = arm.get("device_bytes") or arm.get("model_bytes")
        lines.append(f"{name}: ready in {arm['load_seconds']:.1f} s, off by"
                     f" {arm['difference']:.2g} of the largest logit"
                     + (f", {memory / 2**20:.0f} MiB" if memory else "")
                     + f" ({arm['device']})")
        lines += [f"  {warning}" for warning in arm["warnings"]]
        for cell, figures in arm["cells"].items():
            per_second, p50, p99, host = (statistics.median(figures[figure]) for figure in (
                "per_second", "p50_ms", "p99_ms", "host_ms"))
            lines.append(f"  {cell:22} {per_second:10.1f} images/s  p50 {p50:8.3f} ms"
                         f"  p99 {p99:8.3f} ms  processor {host:7.3f} ms a batch")
    for pictures, steps in parts.get("G3", {}).get("steps", {}).items():
        lines.append(f"served, pixels, {pictures} a call:")
        lines += [f"  {step['clients']:4} out: {step['per_second']:10.1f} images/s"
                  f"  p99 {step['p99_ms']:8.2f} ms  failed {step['failed']}" for step in steps]
    if "speeds" in parts.get("G4", {}):
        lines += [f"training, {name}, B={parts['G4']['batch']}, {parts['G4']['precision']} ours:"
                  f" {statistics.median(speeds):.1f} images/s"
                  for name, speeds in parts["G4"]["speeds"].items()]
    for number, each in enumerate(parts.get("G5", {}).get("rounds", [])):
        lines.append(f"beside training, round {number + 1}: p99 {each['alone']['p99_ms']:.2f} ms,"
                     f" with {each['beside']['p99_ms']:.2f} ms at {parts['G5']['rate']:.0f}"
                     f" calls/s; {each['beside']['steps_a_second']:.2f} of"
                     f" {each['solo']['steps_a_second']:.2f} steps/s")
    if "step_seconds" in parts.get("G6", {}):
        lines.append(f"a training step of {parts['G6']['batch']} takes"
                     f" {1e3 * parts['G6']['step_seconds']:.2f} ms; observed"
                     f" {100 * statistics.median(parts['G6']['every']):.2f} % more, with the"
                     f" noise {100 * statistics.median(parts['G6']['noise']):.0f} %")
    return lines
