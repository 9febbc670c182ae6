"""What benches of a server under load have in common: a model to serve, a load, and
the options and the place of the run. `bench` of resnetctl makes the load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import BIN, SOURCE, Server  # noqa: E402

sys.path.insert(0, str(SOURCE / "tests" / "bench"))

from interference_bench import machine, write_pictures  # noqa: E402


def parser_of(description: str | None, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """The options that these benches share, with the defaults that differ."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="of each load")
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--weights", type=pathlib.Path,
                        help="a file of weights to serve; else one training step makes them")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    parser.add_argument("--quick", action="store_true",
                        help="one short round, which shows that everything works")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    return options


@contextlib.contextmanager
def place() -> Iterator[pathlib.Path]:
    """Names the machine; a folder for the run, which is gone after it."""
    print(machine(), flush=True)
    # A copy of the repository that was not built has none.
    (SOURCE / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="resnetd-bench-", dir=SOURCE / "build") as name:
        yield pathlib.Path(name)


def keep(rounds: list[Any], options: argparse.Namespace) -> None:
    """Writes the raw figures so far where they are asked for."""
    if options.raw:
        options.raw.write_text(json.dumps(rounds))


def make_model(folder: pathlib.Path, options: argparse.Namespace) -> None:
    """A network of the architecture with the weights of one training step."""
    write_pictures(folder / "pictures", options.input_size, 8)
    with Server("--data-dir", folder / "data") as server:
        for words in (
                ("data", "upload", folder / "pictures", "--dataset", "pictures", "--seal"),
                ("train", "start", "--dataset", "pictures", "--model", "served", "--scratch",
                 options.architecture, "--input-size", options.input_size, "--steps", 1,
                 "--batch", 4, "--seed", 1, "--watch")):
            done = server.ctl(*words)
            if done.returncode != 0:
                raise SystemExit(f"{words}: {done.stderr}{done.stdout}")


def serve(folder: pathlib.Path, options: argparse.Namespace) -> tuple[object, ...]:
    """What a server is told so that it serves the model "served"."""
    if options.weights:
        return ("--weights", options.weights, "--model-name", "served")
    make_model(folder, options)
    return ("--data-dir", folder / "data")


def peak_mib(pid: int) -> float:
    """The most memory since forget_peak()."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, status
    return int(found[1]) / 1024


def forget_peak(pid: int) -> None:
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


# A call that is answered behind its phase counts for no phase, so calls of a warm-up
# before one would take from it: the server is warm already.
WITHOUT_WARM_UP = ("--warm-up", "1ms")


def side_of(server: Server, *words: object) -> dict[str, Any]:
    done = subprocess.run(
        [str(word) for word in (BIN / "resnetctl", "bench", "-m", "served", "-s", server.address,
                                *WITHOUT_WARM_UP, "-o", "json", *words)],
        stdout=subprocess.PIPE, text=True, check=False)
    told = json.loads(done.stdout)
    if "sides" not in told:
        raise SystemExit(f"no load could be made: {told}")
    side: dict[str, Any] = told["sides"][0]
    return side


def phases_of(server: Server, *words: object) -> list[dict[str, Any]]:
    phases: list[dict[str, Any]] = side_of(server, "--connections", 16, *words)["phases"]
    return phases


def bench(server: Server, seconds: float, *words: object) -> dict[str, Any]:
    """Figures of one load, with the server's most memory meanwhile."""
    forget_peak(server.process.pid)
    phase = phases_of(server, "--for", f"{seconds}s", *words)[0]
    phase["peak_mib"] = peak_mib(server.process.pid)
    return phase
