#!/usr/bin/env python3
# Programs: engine_bench
"""The engine beside ONNX Runtime, OpenVINO and torch, with the same weights on the same cores.

Each engine in each precision is a process of its own, tied to the same cores once all have
started; they take turns, round after round, so that what else the machine does meets all of them:

  ONNX Runtime    fp32, int8 (static quantisation, QDQ, weights by channel)
  OpenVINO        fp32, bf16 where it offers that, int8 (post-training quantisation of NNCF)
  torch           eager and compiled (Inductor, freezing), channels last; fp32, and bf16 (autocast)
                  where the engine has it
  resnetd         fp32, bf16, int8: engine_bench --arm

for batches of 1 and 4 on one core and single pictures on two. Printed are medians, ours over
each peer with a 95 % interval (bootstrap over the rounds), and a line a goal. On one core that
is images per CPU-second, which means something on a busy machine too; on two it is the time
of the clock, which needs an idle one.

The weights are those of tools/weight_fill.py, the logits are compared with tests/golden. The
others read float pictures that were normalised before, ours bytes.

The others are installed into .deps/peers/venv (0.6 GB; torch comes from RESNETD_TORCH_PYTHON
or LIBTORCH_ROOT if there, else 4.6 GB more), their networks are made once for .deps/peers.
--quick is done in 45 s, but for what is installed and made once: one network, without the
compiled torch, which takes a minute to compile, and five rounds or as many as there is time for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Sequence

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]

from bench_stats import Ratio  # noqa: E402
from bench_turns import Turns  # noqa: E402
from interference_bench import machine  # noqa: E402
from peer_packages import ENGINES, ENGINES_FOLDER, SOURCE, install, run  # noqa: E402
from peers_arms import OURS, PEERS, Arm, Setting  # noqa: E402
from peers_goals import Cell, goals_of  # noqa: E402

PREPARE = HERE / "peer_engines" / "prepare.py"
PRECISIONS = ("fp32", "bf16", "int8")
# (threads, batch sizes)
SETTINGS = ((1, (1, 4)), (2, (1,)))
# What --quick takes at most after what is made once, and what of it is for the last lines.
QUICK_SECONDS, CLOSING_SECONDS = 45, 3
# fp32 of any engine is off by a hundredth of it; another network by far more.
SAME_NETWORK = 1e-4


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepared(python: pathlib.Path, architecture: str) -> pathlib.Path:
    """The folder with the network for the others; made once for these versions."""
    folder = ENGINES_FOLDER / "models" / architecture
    sources = (PREPARE, SOURCE / "tools" / "weight_fill.py")
    wanted = hashlib.sha256(b"".join(source.read_bytes() for source in sources)
                            + repr(ENGINES).encode()).hexdigest()
    mark = folder / "made"
    if not mark.exists() or mark.read_text() != wanted:
        note(f"exporting and quantising {architecture} for the others")
        run(python, PREPARE, architecture, folder)
        mark.write_text(wanted)
    return folder


def golden(architecture: str) -> list[float]:
    """Of picture 0."""
    path = SOURCE / "tests" / "golden" / "logits" / f"{architecture}.txt"
    rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [float(row) for row in rows[1:rows.index("picture 1")]]


def difference(expected: Sequence[float], actual: Sequence[float]) -> float:
    """The largest, as a share of the largest expected."""
    return (max(abs(a - b) for a, b in zip(expected, actual, strict=True))
            / max(map(abs, expected)))


def wanted_arms(setting: Setting, peers: Sequence[str]) -> list[tuple[str, str]]:
    """On two threads the latency of int8 counts."""
    precisions = PRECISIONS if setting.threads == 1 else ("int8",)
    arms = [(OURS, precision) for precision in precisions]
    for engine in peers:
        if engine in ("torch", "compiled"):
            if setting.threads == 1:
                arms += [(engine, "fp32"), (engine, "bf16")]
        else:
            arms += [(engine, precision) for precision in precisions
                     if (engine, precision) != ("ort", "bf16")]
    return arms


def waits_for_ours(engine: str, precision: str) -> bool:
    """Torch would emulate bfloat16, for seconds a picture, where there is none."""
    return engine in ("torch", "compiled") and precision == "bf16"


def check(arm: Arm) -> bool:
    """Waits until the arm is ready; false: there is none on this machine."""
    if not arm.wait():
        note(f"{arm.name} is not measured: {arm.ready['missing']}")
        arm.end()
        return False
    arm.ready["difference"] = difference(golden(arm.setting.architecture),
                                         arm.ready.pop("logits"))
    if arm.precision == "fp32" and arm.ready["difference"] > SAME_NETWORK:
        raise SystemExit(f"{arm.name} computes something else: off by"
                         f" {arm.ready['difference']:.2g} of the largest logit")
    return True


def start(settings: Sequence[Setting], peers: Sequence[str], arms: list[Arm]) -> None:
    """Puts every arm that there is on this machine into `arms`, all together, then ties each to
    the cores of its setting."""
    wanted = [(setting, *arm) for setting in settings for arm in wanted_arms(setting, peers)]
    arms += [Arm(*arm) for arm in wanted if not waits_for_ours(*arm[1:])]
    for arm in list(arms):
        if not check(arm):
            arms.remove(arm)
    if any((arm.engine, arm.precision) == (OURS, "bf16") for arm in arms):
        late = [Arm(*arm) for arm in wanted if waits_for_ours(*arm[1:])]
        arms += late
        for arm in late:
            if not check(arm):
                arms.remove(arm)
    for arm in arms:
        arm.settle()


def cells_of(setting: Setting, arms: Sequence[Arm]) -> list[Cell]:
    """One a batch size."""
    mine = [arm for arm in arms if arm.setting is setting]
    ours = {arm.precision: arm.ready for arm in mine if arm.engine == OURS}
    return [Cell(setting.architecture, batch, setting.threads,
                 cpu={(arm.engine, arm.precision): arm.cpu[batch] for arm in mine},
                 wall={(arm.engine, arm.precision): arm.wall[batch] for arm in mine},
                 operations=batch * next((ready["flops"] for ready in ours.values()), 0),
                 peaks={arm.precision: arm.peaks[batch] for arm in mine if arm.engine == OURS},
                 differences={(arm.engine, arm.precision): arm.ready["difference"]
                              for arm in mine})
            for batch in setting.batches]


def measure(settings: Sequence[Setting], options: argparse.Namespace,
            ends: float | None) -> list[Cell]:
    """One a setting and batch size. `ends`: when the last round is over, if possible."""
    began = time.monotonic()
    arms: list[Arm] = []
    try:
        start(settings, options.peers, arms)
        started = time.monotonic()
        turns = Turns(options.rounds, ends)
        while turns.another():
            turn = turns.done % len(arms)
            for arm in arms[turn:] + arms[:turn]:
                for batch in arm.setting.batches:
                    arm.round(batch, options.seconds)
        note(f"{settings[0].architecture}: {len(arms)} programs started in"
             f" {started - began:.1f} s, {turns.done} rounds in"
             f" {time.monotonic() - started:.1f} s")
    except BaseException:
        for arm in arms:
            arm.process.kill()
        raise
    for arm in arms:
        arm.close()
    for arm in arms:
        arm.end()
    return [cell for setting in settings for cell in cells_of(setting, arms)]


def show(cell: Cell) -> None:
    print(f"\n{cell.where}, {len(next(iter(cell.cpu.values())))} rounds, medians\n"
          f"{'':24}{'wall ms':>9}{'cpu ms':>9}{'img/cpu-s':>11}{'of peak':>9}"
          f"{'off by':>10}  ours over it (95 %)")
    seconds = cell.cpu if cell.threads == 1 else cell.wall
    for (engine, precision), cpu in cell.cpu.items():
        median = statistics.median(cpu)
        share = cell.share_of_peak(precision) if engine == OURS else None
        beside = ""
        if engine != OURS and (OURS, precision) in cell.cpu:
            ratio = Ratio.of(seconds[engine, precision], seconds[OURS, precision])
            beside = f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
        print(f"{PEERS.get(engine, engine) + ' ' + precision:24}"
              f"{1e3 * statistics.median(cell.wall[engine, precision]):9.2f}{1e3 * median:9.2f}"
              f"{cell.batch / median:11.2f}{f'{100 * share.value:.1f} %' if share else '':>9}"
              f"{cell.differences[engine, precision]:10.1e}  {beside}")


def as_json(cells: Sequence[Cell], before: str) -> dict[str, object]:
    """Raw seconds a batch of every round."""
    return {"machine": before,
            "cells": [{"architecture": cell.architecture, "batch": cell.batch,
                       "threads": cell.threads, "operations": cell.operations,
                       "peaks": {precision: list(peaks)
                                 for precision, peaks in cell.peaks.items()},
                       "arms": [{"engine": engine, "precision": precision, "cpu": list(cpu),
                                 "wall": list(cell.wall[engine, precision]),
                                 "difference": cell.differences[engine, precision]}
                                for (engine, precision), cpu in cell.cpu.items()]}
                      for cell in cells],
            "goals": [goal.as_json() for goal in goals_of(cells)]}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5,
                        help="processor time of an arm in a round, at least a batch")
    parser.add_argument("--models", nargs="+", default=["resnet50", "resnet18"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS])
    parser.add_argument("--quick", action="store_true",
                        help=f"done in {QUICK_SECONDS} s: the first model, five short rounds at"
                             " most, without the compiled torch")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.models = 5, 0.05, options.models[:1]
        options.peers = [peer for peer in options.peers if peer != "compiled"]
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def settings_of(name: str, python: pathlib.Path, folder: pathlib.Path) -> list[Setting]:
    """Those that this machine has cores for."""
    engine_bench = pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / "engine_bench"
    settings = []
    for threads, batches in SETTINGS:
        if threads > len(os.sched_getaffinity(0)):
            note(f"{name} on {threads} threads is not measured: there are fewer cores")
        else:
            settings.append(Setting(name, threads, batches, python, folder, engine_bench))
    return settings


def main() -> None:
    options = parse()
    python = install(ENGINES_FOLDER / "venv", ENGINES)
    folders = {name: prepared(python, name) for name in options.models}
    before, began = machine(), time.monotonic()
    note(before)
    ends = began + QUICK_SECONDS - CLOSING_SECONDS if options.quick else None
    cells: list[Cell] = []
    for name in options.models:
        measured = measure(settings_of(name, python, folders[name]), options, ends)
        cells += measured
        if options.output == "text":
            for cell in measured:
                show(cell)
            sys.stdout.flush()
    if options.output == "json":
        print(json.dumps(as_json(cells, before)))
    else:
        print("\n" + "\n".join(goal.line() for goal in goals_of(cells)), flush=True)
    took = time.monotonic() - began
    note(f"measured in {took:.0f} s" + (f" of {QUICK_SECONDS}" if options.quick else ""))
    if options.quick and took > QUICK_SECONDS:
        note("the programs took longer to start than there was time: another one was busy")


if __name__ == "__main__":
    main()
