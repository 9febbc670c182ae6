"""Other servers of the same network, at their best documented settings.

All compute like ours on a machine with few cores: a process with one thread on each
core, batches of at most four across calls where a server can.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from servers_load import GrpcCaller, HttpCaller, multipart, triton_request

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
# Until a server answers its first call.
PATIENCE_SECONDS = 180.0


@dataclasses.dataclass
class Setting:
    """What every server is started with."""
    folder: pathlib.Path
    python: pathlib.Path
    picture: bytes
    workers: int
    batch: int

    @property
    def tools(self) -> pathlib.Path:
        return self.python.parent


@dataclasses.dataclass
class Running:
    """A server that was started."""
    name: str
    process: subprocess.Popen[bytes]
    log: pathlib.Path
    make_caller: Callable[[], Any]

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Of its session that run: their numbers and the later fields of /proc/PID/stat."""
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # It has just ended.
            if int(fields[3]) == self.process.pid:
                yield int(stat.parent.name), fields

    def _signal(self, number: signal.Signals) -> None:
        for process, _ in list(self._processes()):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    @contextlib.contextmanager
    def alone(self, others: list[Running]) -> Iterator[None]:
        """The others stand still: some take most of a core without being called."""
        still = [other for other in others if other is not self]
        for other in still:
            other._signal(signal.SIGSTOP)
        try:
            self.make_caller().call()
            yield
        finally:
            for other in still:
                other._signal(signal.SIGCONT)

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass
        # Workers of some outlive their parent.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far, of those that still run."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def wait(self) -> str | None:
        """Until it answers; else why it does not."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                self.make_caller().call()
                return None
            except Exception:  # noqa: BLE001: it is not there yet
                pass
            try:
                code = self.process.wait(timeout=0.3)
                return f"ended with {code}: {self.last_lines()}"
            except subprocess.TimeoutExpired:
                continue
        return f"no answer within {PATIENCE_SECONDS:.0f} s: {self.last_lines()}"

    def last_lines(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line]
        return " | ".join(lines[-3:])


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _start(name: str, setting: Setting, command: list[object],
           make_caller: Callable[[], Any], **extra: str | None) -> Running:
    log = setting.folder / f"{name}.log"
    wanted = {**os.environ, "PEER_WEIGHTS": str(setting.folder / "resnet50.pth"),
              "PEER_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PEERS),
              "PYTHONDONTWRITEBYTECODE": "1",
              "PATH": f"{setting.tools}:{os.environ['PATH']}", **extra}
    environment = {word: value for word, value in wanted.items() if value is not None}
    with log.open("wb") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out,
                                   cwd=setting.folder, env=environment,
                                   start_new_session=True)
    return Running(name, process, log, make_caller)


def litserve(setting: Setting) -> Running:
    [port] = free_ports(1)
    body, kind = multipart(setting.picture)
    return _start("LitServe", setting, [setting.python, PEERS / "litserve_app.py", port,
                                        setting.workers, setting.batch],
                  lambda: HttpCaller(port, "/predict", body, kind))


def fastapi(setting: Setting) -> Running:
    [port] = free_ports(1)
    return _start("FastAPI", setting,
                  [setting.python, "-m", "uvicorn", "fastapi_app:app", "--port", port,
                   "--workers", setting.workers, "--loop", "uvloop", "--http", "httptools",
                   "--no-access-log", "--log-level", "warning"],
                  lambda: HttpCaller(port, "/predict", setting.picture, "image/jpeg"))


def torchserve(setting: Setting) -> Running:
    if shutil.which("java") is None:
        raise RuntimeError("TorchServe needs Java: apt-get install default-jre-headless")
    ports = free_ports(5)
    store = setting.folder / "torchserve"
    store.mkdir()
    subprocess.run([setting.tools / "torch-model-archiver", "--model-name", "resnet50",
                    "--version", "1.0", "--handler", PEERS / "torchserve_handler.py",
                    "--extra-files", PEERS / "network.py", "--export-path", store],
                   check=True, cwd=setting.folder)
    model = {"resnet50": {"1.0": {
        "defaultVersion": True, "marName": "resnet50.mar", "minWorkers": setting.workers,
        "maxWorkers": setting.workers, "batchSize": setting.batch, "maxBatchDelay": 5,
        "responseTimeout": 120}}}
    names = ("inference_address", "management_address", "metrics_address")
    lines = [f"{name}=http://127.0.0.1:{port}" for name, port in zip(names, ports)]
    lines += [f"grpc_inference_port={ports[3]}", f"grpc_management_port={ports[4]}",
              f"model_store={store}", "load_models=resnet50.mar", "job_queue_size=1000",
              "disable_token_authorization=true", "enable_model_api=true",
              "cpu_launcher_enable=false", f"models={json.dumps(model)}"]
    config = store / "config.properties"
    config.write_text("\n".join(lines) + "\n")
    return _start("TorchServe", setting,
                  [setting.tools / "torchserve", "--start", "--foreground", "--ncs",
                   "--ts-config", config, "--disable-token-auth"],
                  lambda: HttpCaller(ports[0], "/predictions/resnet50", setting.picture,
                                     "image/jpeg"),
                  LOG_LOCATION=str(store), METRICS_LOCATION=str(store),
                  TEMP=str(store), TS_DISABLE_TOKEN_AUTHORIZATION="true")


def triton(setting: Setting) -> Running:
    ports = free_ports(3)
    body, headers = triton_request(setting.picture)
    return _start("Triton", setting, [setting.python, PEERS / "triton_app.py", *ports,
                                      setting.workers, setting.batch],
                  lambda: HttpCaller(ports[0], "/v2/models/resnet50/infer", body,
                                     "application/octet-stream", headers))


OURS = "resnetd"
BEST = f"{OURS} auto"


def resnetd(setting: Setting, binary: pathlib.Path, name: str = OURS,
            flags: tuple[object, ...] = ()) -> Running:
    """As it is, but for the longest wait: the others let everybody wait for ever."""
    grpc_port, http_port = free_ports(2)
    return _start(name, setting,
                  [binary, "--listen", f"127.0.0.1:{grpc_port}", "--http-listen",
                   f"127.0.0.1:{http_port}", "--max-queue-wait-ms", 30000,
                   "--weights", setting.folder / "resnet50.pth",
                   "--labels", setting.folder / "labels.txt", *flags],
                  lambda: GrpcCaller(grpc_port, setting.picture), OMP_NUM_THREADS=None)


def resnetd_at_its_best(setting: Setting, binary: pathlib.Path) -> Running:
    """In the fastest precision that agrees with fp32, once that is chosen."""
    server = resnetd(setting, binary, BEST, (
        "--precision", "auto", "--calibration-pictures", setting.folder / "pictures"))
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and server.process.poll() is None:
        chosen = re.search(r'precision chosen .*choice="(.*?)"', server.log.read_text())
        if chosen:
            print(f"{BEST}: {chosen[1]}", flush=True)
            return server
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.3)
    server.end()
    raise RuntimeError(f"{BEST} chose no precision: {server.last_lines()}")


PEER_SERVERS = {"litserve": litserve, "torchserve": torchserve, "fastapi": fastapi,
                "triton": triton}
