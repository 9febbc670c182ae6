"""Calls to servers over HTTP and over gRPC, and loads made of them.

Both kinds of callers do the same: a thread each with a connection of its own, a
request whose bytes are made once, an answer of which only the status is looked at.
"""

from __future__ import annotations

import dataclasses
import http.client
import queue
import random
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

Answer = bytes


class Caller(Protocol):
    def call(self) -> Answer:
        """The body of the answer; raises when there is none."""


class HttpCaller:
    def __init__(self, port: int, path: str, body: bytes, kind: str,
                 headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._path, self._body = path, body
        self._headers = {"Content-Type": kind, **(headers or {})}

    def call(self) -> Answer:
        self._connection.request("POST", self._path, self._body, self._headers)
        reply = self._connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"HTTP {reply.status}: {body[:300]!r}")
        return body


def multipart(picture: bytes) -> tuple[bytes, str]:
    """A form with the file `content`, and its content type."""
    line = b"3f1c0b7e2d"
    body = (b"--" + line + b'\r\nContent-Disposition: form-data; name="content"; '
            b'filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture
            + b"\r\n--" + line + b"--\r\n")
    return body, f"multipart/form-data; boundary={line.decode()}"


def triton_request(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Of the binary form of Triton's HTTP protocol, with its headers."""
    tensor = struct.pack("<I", len(picture)) + picture
    head = (b'{"inputs":[{"name":"picture","shape":[1,1],"datatype":"BYTES",'
            b'"parameters":{"binary_data_size":%d}}],"outputs":[{"name":"answer"}]}'
            % len(tensor))
    return head + tensor, {"Inference-Header-Content-Length": str(len(head))}


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


class GrpcCaller:
    """Classify of one JPEG; the message is written by hand, as its bytes never change."""

    def __init__(self, port: int, picture: bytes, model: str = "") -> None:
        import grpc

        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._classify = self._channel.unary_unary(
            "/resnetd.v1.ClassificationService/Classify")
        # model, images { encoded }, top_k.
        self._request = (_field(1, model.encode()) + _field(2, _field(1, picture))
                         + _varint(3 << 3) + _varint(5))

    def call(self) -> Answer:
        answer: bytes = self._classify(self._request, timeout=60)
        return answer


@dataclasses.dataclass
class Figures:
    """Of one load."""
    latencies: list[float]
    seconds: float
    failed: int
    # Processor time of the callers, a call.
    cost: float
    # The same of the server, where it was measured.
    server_cost: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class _Run:
    """Latencies of threads that all make calls. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.latencies: list[float] = []
        self.failed = 0
        self.ended = 0.0

    def call(self, caller: Caller, due: float) -> None:
        try:
            caller.call()
        except Exception:  # noqa: BLE001: whatever it is, the call has failed
            with self._lock:
                self.failed += 1
            return
        now = time.monotonic()
        with self._lock:
            self.latencies.append(now - due)
            self.ended = max(self.ended, now)

    def figures(self, seconds: float, cost: float) -> Figures:
        calls = max(len(self.latencies) + self.failed, 1)
        return Figures(self.latencies, seconds, self.failed, cost / calls)


def _run(threads: list[threading.Thread]) -> float:
    """Processor time of this process until all have ended."""
    before = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.process_time() - before


def closed_loop(callers: list[Any], seconds: float) -> Figures:
    """Each caller makes one call after the other."""
    run = _Run()
    begun = time.monotonic()

    def work(caller: Caller) -> None:
        while (now := time.monotonic()) < begun + seconds:
            run.call(caller, now)

    cost = _run([threading.Thread(target=work, args=(caller,)) for caller in callers])
    return run.figures(max(run.ended - begun, 1e-9), cost)


def open_loop(make: Callable[[], Any], rate: float, seconds: float, seed: int,
              callers: int = 48) -> Figures:
    """Poisson calls, whether or not earlier ones were answered, each counted from when
    it was due."""
    source = random.Random(seed)
    due, now = [], source.expovariate(rate)
    while now < seconds:
        due.append(now)
        now += source.expovariate(rate)
    waiting: queue.Queue[float | None] = queue.Queue()
    run = _Run()

    def work(caller: Caller) -> None:
        while (at := waiting.get()) is not None:
            run.call(caller, at)

    def send() -> None:
        begun = time.monotonic()
        never = threading.Event()
        for offset in due:
            never.wait(max(begun + offset - time.monotonic(), 0))
            waiting.put(begun + offset)
        for _ in range(callers):
            waiting.put(None)

    threads = [threading.Thread(target=work, args=(make(),)) for _ in range(callers)]
    cost = _run([*threads, threading.Thread(target=send)])
    return run.figures(seconds, cost)
