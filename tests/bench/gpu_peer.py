"""Python's torch as a process that gpu_bench.py times: `gpu_bench run` is the same of ours.

gpu_peer.py eager|compiled DEVICE PRECISION WEIGHTS PICTURES SIDE BATCHES, BATCHES like 1,32.
Everything is of PRECISION and in channels_last order; compiled is torch.compile(mode=
"max-autotune") with frozen weights, whose batch norms are folded. Batches lie on the device,
normalised: what ours has to do for that is left out of these times.

Prints a line of JSON when it is ready, with the logits of the first two pictures in a batch of
each size, then one for each line `time BATCH SECONDS IN_FLIGHT` of its input: how many batches
it ran with so many enqueued at a time, and how long each took until the host knew.
"""

from __future__ import annotations

import collections
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch_resnet

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHOWN = 2
# The second run of a compiled network records, the third is the first of many.
WARM_UP = 4
Run = Callable[[], torch.Tensor]


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def normalised(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """8-bit rows {batch, side, side, 3} as the network takes them."""
    values = rows.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return values.div_(255).sub_(mean).div_(std).to(dtype)


class Runner:
    """Batches of all sizes of one network."""

    def __init__(self, mode: str, device: str, precision: str, weights: str,
                 rows: torch.Tensor, batches: list[int]) -> None:
        self.on_gpu = device.startswith("cuda")
        if self.on_gpu:
            torch.cuda.set_device(device)
        self.compiles = mode == "compiled"
        network: Any = torch_resnet.load(pathlib.Path(weights)).eval()
        network = network.to(device=device, dtype=DTYPES[precision],
                             memory_format=torch.channels_last)
        if self.compiles:
            from torch._inductor import config

            config.freezing = True
            network = torch.compile(network, mode="max-autotune", dynamic=False)
        self.network = network
        self.shown = {batch: normalised(rows[:batch], DTYPES[precision]).to(device)
                      for batch in batches}

    def run(self, batch: int) -> torch.Tensor:
        if not self.compiles:
            with torch.inference_mode():
                return self.network(self.shown[batch])
        torch.compiler.cudagraph_mark_step_begin()
        with torch.no_grad():
            return self.network(self.shown[batch])

    def logits(self, batch: int) -> list[list[float]]:
        for _ in range(WARM_UP):
            out = self.run(batch)
        return out[:SHOWN].float().cpu().tolist()

    def mark(self) -> Callable[[], None]:
        """Waits for what was enqueued so far."""
        if not self.on_gpu:
            return lambda: None
        event = torch.cuda.Event()
        event.record()
        return event.synchronize

    def time(self, batch: int, seconds: float, in_flight: int) -> dict[str, float]:
        took: list[float] = []
        out: collections.deque[tuple[float, Callable[[], None]]] = collections.deque()

        def take() -> None:
            begun, wait = out.popleft()
            wait()
            took.append(1e3 * (time.perf_counter() - begun))

        started, cpu = time.perf_counter(), time.process_time()
        while not out and not took or time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            self.run(batch)
            out.append((begun, self.mark()))
            if len(out) >= in_flight:
                take()
        while out:
            take()
        wall = time.perf_counter() - started
        took.sort()
        p50, p99 = (took[int(share * (len(took) - 1))] for share in (0.5, 0.99))
        return {"batches": len(took), "wall": wall, "cpu": time.process_time() - cpu,
                "p50_ms": p50, "p99_ms": p99}


def main() -> None:
    mode, device, precision, weights, pictures, side, sizes = sys.argv[1:8]
    batches = [int(word) for word in sizes.split(",")]
    torch.backends.cudnn.benchmark = True
    rows = torch.frombuffer(bytearray(pathlib.Path(pictures).read_bytes()), dtype=torch.uint8)
    rows = rows.view(-1, int(side), int(side), 3)
    start = time.perf_counter()
    runner = Runner(mode, device, precision, weights, rows, batches)
    logits = {batch: runner.logits(batch) for batch in batches}
    named = torch.cuda.get_device_name(device) if runner.on_gpu else "CPU"
    say(device=f"torch {torch.__version__}, {named}, {precision}",
        load_seconds=time.perf_counter() - start, logits=logits)
    for line in sys.stdin:
        _, batch, seconds, in_flight = line.split()
        say(**runner.time(int(batch), float(seconds), int(in_flight)))


if __name__ == "__main__":
    main()
