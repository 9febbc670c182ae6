"""Triton's Python backend by nvidia-pytriton: a tensor of bytes, dynamic batching."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

import network


class Worker:
    """One of them for each process or thread that computes."""

    def __init__(self) -> None:
        self.network = network.load()

    @batch
    def __call__(self, picture: Any) -> dict[str, Any]:
        pictures = [network.decode(row[0]) for row in picture]
        answers = [json.dumps(row).encode() for row in network.classify(self.network, pictures)]
        return {"answer": numpy.array(answers, dtype=numpy.object_).reshape(-1, 1)}


if __name__ == "__main__":
    http, grpc, metrics, workers, largest = (int(word) for word in sys.argv[1:6])
    config = TritonConfig(http_address="127.0.0.1", http_port=http,
                          grpc_address="127.0.0.1", grpc_port=grpc,
                          metrics_port=metrics, log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(model_name="resnet50", infer_func=[Worker() for _ in range(workers)],
                    inputs=[Tensor(name="picture", dtype=bytes, shape=(1,))],
                    outputs=[Tensor(name="answer", dtype=bytes, shape=(1,))],
                    config=ModelConfig(max_batch_size=largest, batcher=DynamicBatcher(
                        max_queue_delay_microseconds=5000)))
        triton.serve()
