#!/usr/bin/env python3
"""resnetd beside other servers of the same network, side by side on one machine.

resnetd, LitServe, TorchServe, FastAPI with torch, and Triton's Python backend
(nvidia-pytriton) serve one ResNet-50 with the same weights in fp32, and a second resnetd the
same in the fastest precision that agrees with it: a JPEG in, five classes out. They are called in turns, in interleaved rounds, and those that are not called
stand still (SIGSTOP: idle, some take most of a core):

  closed   --clients callers, each one call after the other: images a second
  equal    Poisson calls at 0.7 of what the peer did in this round, the same calls to the
           peer and to resnetd: p99

Callers are threads of this program with a connection each, over HTTP or gRPC; their
processor time a call is printed, and that of the server a picture, which means something
on a busy machine too. Each server has to find the class that torch finds.

Prints, and asserts nothing: the ratios by peer, median and range of the rounds (goals:
>= 1.3 images/s in fp32 and >= 4 at best, <= 0.5 p99). A peer that does not start is named with its last words.

The peers are installed into .deps/servers/venv, some 0.4 GB, at the versions below; torch
is taken from RESNETD_TORCH_PYTHON or LIBTORCH_ROOT where it is, else downloaded (4.6 GB).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path[:0] = [str(HERE), str(SOURCE / "tests" / "integration")]

from interference_bench import machine  # noqa: E402
from peer_packages import PILLOW, install, run  # noqa: E402
from servers_load import Figures, closed_loop, open_loop  # noqa: E402
from servers_peers import (  # noqa: E402
    OURS, PEER_SERVERS, Running, Setting, resnetd, resnetd_at_its_best)

VENV = SOURCE / ".deps" / "servers" / "venv"
PACKAGES = ("fastapi==0.165.0", "httptools==0.9.0", "litserve==0.2.19",
            "nvidia-pytriton==0.7.0", PILLOW, "python-multipart==0.0.34", "setuptools==66.1.1",
            "torch-model-archiver==0.12.0", "torchserve==0.12.0", "uvicorn==0.54.0",
            "uvloop==0.23.0")
JPEG = SOURCE / "tests" / "golden" / "image" / "flower.jpg"
OTHER_JPEG = JPEG.with_name("grace_hopper.jpg")
SHARE = 0.7


def start(setting: Setting, options: argparse.Namespace) -> list[Running]:
    """Every server that answers, ours first."""
    binary = pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / "resnetd"
    starts = [lambda: resnetd(setting, binary), lambda: resnetd_at_its_best(setting, binary)]
    starts += [lambda name=name: PEER_SERVERS[name](setting) for name in options.peers]
    running: list[Running] = []
    try:
        for begin in starts:
            try:
                running.append(begin())
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                print(f"not measured: {error}", flush=True)
        for server in list(running):
            why = server.wait() or disagreement(server, setting)
            if why:
                print(f"{server.name} is not measured: {why}", flush=True)
                server.end()
                running.remove(server)
        if not running or running[0].name != OURS:
            raise SystemExit("resnetd did not start")
    except BaseException:
        for server in running:
            server.end()
        raise
    return running


def disagreement(server: Running, setting: Setting) -> str | None:
    """What is wrong with its answer."""
    best = json.loads((setting.folder / "expected.json").read_text())
    answer = server.make_caller().call()
    # Whatever the form, the label or the index of the best class stands first.
    labels = re.findall(rb"class (\d+)", answer)
    found = (labels[:1] == [str(best["index"]).encode()]
             if server.name.startswith(OURS)
             else f'"index":{best["index"]},'.encode() in answer.replace(b" ", b"").replace(
                 b"\\", b"")[:600])
    return None if found else f"another class than {best['index']}: {answer[:200]!r}"


def measure(servers: list[Running], options: argparse.Namespace,
            number: int) -> dict[str, dict[str, Figures]]:
    """[load][server]; the equal load of a peer has the figures of ours too."""
    turns = servers[number % len(servers):] + servers[:number % len(servers)]
    closed = {}
    for server in turns:
        with server.alone(servers):
            callers = [server.make_caller() for _ in range(options.clients)]
            before = server.cpu_seconds()
            figures = closed_loop(callers, options.seconds)
            spent = server.cpu_seconds() - before
        figures.server_cost = spent / max(len(figures.latencies), 1)
        closed[server.name] = figures
    result = {"closed": closed}
    for peer in (server for server in turns if not server.name.startswith(OURS)):
        rate = SHARE * closed[peer.name].per_second
        ours = [server for server in servers if server.name.startswith(OURS)]
        pair = [*ours, peer] if number % 2 == 0 else [peer, *ours]
        result[peer.name] = {}
        for server in pair:
            with server.alone(servers):
                result[peer.name][server.name] = open_loop(server.make_caller, rate,
                                                           options.seconds, number + 1)
    return result


def spread(values: list[float], digits: int = 2) -> str:
    return (f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to"
            f" {max(values):.{digits}f})")


def report(servers: list[Running], rounds: list[dict[str, dict[str, Figures]]],
           options: argparse.Namespace) -> None:
    print(f"\n{options.clients} callers, {options.seconds:g} s, {len(rounds)} rounds:"
          f"\n{'':22}{'images/s':>24}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'cpu ms':>9}"
          f"{'caller ms':>11}")
    for server in servers:
        parts = [part["closed"][server.name] for part in rounds]
        print(f"{server.name:22}{spread([part.per_second for part in parts], 1):>24}"
              f"{1e3 * statistics.median(part.quantile(0.5) for part in parts):9.0f}"
              f"{1e3 * statistics.median(part.quantile(0.99) for part in parts):9.0f}"
              f"{sum(part.failed for part in parts):8d}"
              f"{1e3 * statistics.median(part.server_cost for part in parts):9.1f}"
              f"{1e3 * statistics.median(part.cost for part in parts):11.2f}")
    for ours in (server.name for server in servers if server.name.startswith(OURS)):
        for peer in (server.name for server in servers if not server.name.startswith(OURS)):
            more = [part["closed"][ours].per_second / part["closed"][peer].per_second
                    for part in rounds]
            thrift = [part["closed"][peer].server_cost / part["closed"][ours].server_cost
                      for part in rounds]
            goal = 1.3 if ours == OURS else 4.0
            line = (f"{ours} over {peer}: images/s {spread(more)}, goal >= {goal}:"
                    f" {'yes' if statistics.median(more) >= goal else 'NO'}"
                    f"; images a CPU-second {spread(thrift)}")
            late = [part[peer][ours].quantile(0.99) / part[peer][peer].quantile(0.99)
                    for part in rounds]
            print(f"{line}; p99 at {SHARE:g} of its load {spread(late)}, goal <= 0.5:"
                  f" {'yes' if statistics.median(late) <= 0.5 else 'NO'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4, help="largest batch of the peers")
    parser.add_argument("--peers", nargs="+", choices=PEER_SERVERS, default=[*PEER_SERVERS])
    parser.add_argument("--quick", action="store_true",
                        help="one short round, which shows that everything works")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1.5
    python = install(VENV, PACKAGES)
    if pathlib.Path(sys.prefix) != VENV:
        # gRPC for Python is there.
        os.execv(python, [str(python), *sys.argv])
    # Like Ctrl-C: no server outlives the bench.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="resnetd-servers-") as name:
        folder = pathlib.Path(name)
        run(python, HERE / "peers" / "make_weights.py", folder, JPEG, OTHER_JPEG)
        setting = Setting(folder=folder, python=python, picture=JPEG.read_bytes(),
                          workers=len(os.sched_getaffinity(0)), batch=options.batch)
        servers = start(setting, options)
        rounds = []
        try:
            for number in range(options.rounds):
                rounds.append(measure(servers, options, number))
                print(f"round {number + 1}: " + ", ".join(
                    f"{name} {part.per_second:.1f}/s"
                    for name, part in rounds[-1]["closed"].items()), flush=True)
        finally:
            for server in servers:
                server.end()
    if options.raw:
        options.raw.write_text(json.dumps(rounds, default=vars))
    report(servers, rounds, options)


if __name__ == "__main__":
    main()
