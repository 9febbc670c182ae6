#!/usr/bin/env python3
"""Time from starting the server to its first answer, with the demo model.

Prints the median, the least and the most of several runs:
  ready   the process started -> its log says it is ready
  answer  the process started -> resnetctl has printed the classes of a picture
          (with the start of resnetctl itself)
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import SOURCE, Server  # noqa: E402

PICTURE = SOURCE / "demo" / "digit-3.png"


def measure(flags: list[str]) -> tuple[float, float]:
    """Seconds to readiness and to the first answer of one fresh server."""
    started = time.monotonic()
    with Server(*flags) as server:
        ready = time.monotonic() - started
        result = server.ctl("classify", PICTURE)
        answer = time.monotonic() - started
        if result.returncode != 0:
            raise SystemExit(result.stderr)
    return ready, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("flags", nargs="*", help="further flags of resnetd, after --")
    arguments = parser.parse_args()
    times = [measure(arguments.flags) for _ in range(arguments.runs)]
    for name, values in zip(("ready", "answer"), zip(*times)):
        print(f"{name:8} median {statistics.median(values):.3f} s, "
              f"least {min(values):.3f} s, most {max(values):.3f} s, {len(values)} runs")


if __name__ == "__main__":
    main()
