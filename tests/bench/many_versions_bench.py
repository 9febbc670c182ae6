#!/usr/bin/env python3
"""Time to readiness of a server that finds many versions in its store.

Declares that many versions of the demo model, each with an alias of its own,
lets a server import them, and starts it again: declared again, and without the
declaration. Prints, and asserts nothing; the goal is 5 s with 100 versions.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import SOURCE, Server  # noqa: E402
from weight_files import variant  # noqa: E402


def declare(folder: pathlib.Path, versions: int) -> pathlib.Path:
    """Writes the weights and the models file."""
    text = []
    for number in range(1, versions + 1):
        variant(folder / f"{number}.safetensors", number)
        alias = "stable" if number == 1 else f"v{number}"
        text.append(f'[[model]]\nname = "digits"\nfile = "{number}.safetensors"\n'
                    f'alias = "{alias}"\n'
                    'preprocess = {resize = 32, crop = 32, mean = [0.5, 0.5, 0.5], '
                    'std = [0.5, 0.5, 0.5]}\n')
    file = folder / "models.toml"
    file.write_text("\n".join(text))
    return file


def seconds_to_ready(*flags: object) -> float:
    started = time.monotonic()
    with Server(*flags):
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resnetd-bench-", dir=SOURCE / "build") as name:
        folder = pathlib.Path(name)
        file = declare(folder, arguments.versions)
        data = ("--data-dir", folder / "data")
        first = seconds_to_ready(*data, "--models-file", file)
        print(f"import of {arguments.versions} versions: {first:.2f} s to readiness")
        for title, flags in (("declared again", (*data, "--models-file", file)),
                             ("from the store alone", data)):
            times = [seconds_to_ready(*flags) for _ in range(arguments.runs)]
            print(f"{title}: median {statistics.median(times):.3f} s, "
                  f"least {min(times):.3f} s, most {max(times):.3f} s, "
                  f"{arguments.runs} runs (goal <= 5 s)")


if __name__ == "__main__":
    main()
