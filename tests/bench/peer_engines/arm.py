"""Another engine as a process that peers_bench.py times.

arm.py ENGINE PRECISION ARCHITECTURE FOLDER BATCHES THREADS, ENGINE one of ort, openvino, torch
and compiled, FOLDER what prepare.py made, BATCHES like 1,4. Prints a line of JSON when it is
ready: the logits of the first picture, or why there is no such arm. Then for each line
`time BATCH SECONDS` of its input how many batches it ran in at least that much processor time,
and what they took. engine_bench --arm is the same of ours.
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np

# One batch, which is always the same.
Run = Callable[[], np.ndarray]
# For a batch of pictures.
Make = Callable[[np.ndarray], Run]


class Missing(Exception):
    """Says why there is no such arm on this machine."""


def ort(precision: str, _: str, folder: pathlib.Path, threads: int) -> Make:
    import onnxruntime

    if precision == "bf16":
        raise Missing("ONNX Runtime has no bfloat16 convolution on a CPU")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    name = "int8.onnx" if precision == "int8" else "model.onnx"
    session = onnxruntime.InferenceSession(folder / name, options, ["CPUExecutionProvider"])
    return lambda shown: lambda: session.run(None, {"picture": shown})[0]


def openvino(precision: str, _: str, folder: pathlib.Path, threads: int) -> Make:
    import openvino as library

    core = library.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Missing("OpenVINO does not offer bfloat16 on this CPU")

    def make(shown: np.ndarray) -> Run:
        model = core.read_model(folder / ("int8.xml" if precision == "int8" else "model.onnx"))
        model.reshape(shown.shape)
        compiled_model = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"})
        request = compiled_model.create_infer_request()
        request.set_input_tensor(library.Tensor(shown, shared_memory=True))

        def run() -> np.ndarray:
            request.infer()
            return request.get_output_tensor().data

        return run

    return make


def _torch(precision: str, architecture: str, threads: int, compiles: bool) -> Make:
    if precision == "int8":
        raise Missing("torch has no eager int8 network that is still maintained")
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))
    import golden_logits
    import torch

    torch.set_num_threads(threads)
    network = golden_logits.filled(architecture).to(memory_format=torch.channels_last)
    if compiles:
        import torch._inductor.config

        # Folds batch normalisation and packs the weights.
        torch._inductor.config.freezing = True
        network = torch.compile(network, dynamic=False)

    def make(shown: np.ndarray) -> Run:
        pictures = torch.from_numpy(shown).contiguous(memory_format=torch.channels_last)

        def run() -> np.ndarray:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16,
                                                 enabled=precision == "bf16"):
                return network(pictures).float().numpy()

        return run

    return make


def eager(precision: str, architecture: str, _: pathlib.Path, threads: int) -> Make:
    return _torch(precision, architecture, threads, compiles=False)


def compiled(precision: str, architecture: str, _: pathlib.Path, threads: int) -> Make:
    return _torch(precision, architecture, threads, compiles=True)


ENGINES = {"ort": ort, "openvino": openvino, "torch": eager, "compiled": compiled}


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def measure(run: Run, seconds: float) -> dict[str, float]:
    batches, wall, cpu = 0, time.perf_counter(), time.process_time()
    while batches == 0 or time.process_time() - cpu < seconds:
        run()
        batches += 1
    return {"batches": batches, "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu}


def main() -> None:
    engine, precision, architecture, folder = sys.argv[1:5]
    batches, threads = [int(word) for word in sys.argv[5].split(",")], int(sys.argv[6])
    pictures = np.load(pathlib.Path(folder) / "pictures.npy")
    start = time.perf_counter()
    try:
        make = ENGINES[engine](precision, architecture, pathlib.Path(folder), threads)
        runs = {batch: make(pictures[:batch]) for batch in batches}
        logits = [run() for run in runs.values()][0]
    except Missing as reason:
        say(missing=str(reason))
        return
    say(load_seconds=time.perf_counter() - start, logits=[float(value) for value in logits[0]])
    for line in sys.stdin:
        _, batch, seconds = line.split()
        say(**measure(runs[int(batch)], float(seconds)))


if __name__ == "__main__":
    main()
