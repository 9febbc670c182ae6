"""Starts the real Prometheus for tests, with our configuration and rules: a free
port, a scrape each second. ./dev setup brings the program."""

from __future__ import annotations

import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import yaml

from harness import PATIENCE_SECONDS, SOURCE

MONITORING = SOURCE / "deploy" / "monitoring"
LISTENING = re.compile(r'msg="Listening on" address=(\S+)')


def wait_for(what: str, found: Callable[[], Any], patience: float = PATIENCE_SECONDS) -> Any:
    """Asks again and again until `found` returns something true, which it returns."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not (result := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited too long for {what}")
        pause.wait(0.1)
    return result


class Prometheus:
    """A Prometheus process that scrapes what look_at() names; a context manager."""

    def __init__(self) -> None:
        program = shutil.which("prometheus") or str(
            SOURCE / ".deps" / "promtool" / "prometheus")
        if not os.path.exists(program):
            raise AssertionError("there is no prometheus; ./dev setup brings it")
        self._folder = tempfile.TemporaryDirectory(prefix="resnetd-prometheus-")
        folder = pathlib.Path(self._folder.name)
        self._targets = folder / "targets.json"
        self._targets.write_text("[]")
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(self._config()))
        # JSON, which is YAML, for the program; our own files for the rules.
        self._process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage"],
            stderr=subprocess.PIPE, text=True)
        self._lines: list[str] = []
        self._address = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if not self._address.wait(PATIENCE_SECONDS):
            self.close()
            raise AssertionError("prometheus does not listen:\n" + "\n".join(self._lines))
        wait_for("prometheus", self._is_ready)

    def _config(self) -> dict[str, Any]:
        """Ours, but for where the servers are and how often they are asked."""
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(MONITORING / name) for name in config["rule_files"]]
        for scraped in config["scrape_configs"]:
            del scraped["static_configs"]
            scraped["file_sd_configs"] = [{"files": [str(self._targets)],
                                           "refresh_interval": "1s"}]
        return config

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line.rstrip("\n"))
            if match := LISTENING.search(line):
                self.url = f"http://{match[1]}"
                self._address.set()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=PATIENCE_SECONDS):
                return True
        except urllib.error.URLError:
            return False

    def look_at(self, port: int) -> None:
        """Scrapes 127.0.0.1:PORT from now on; the instance keeps its name, as a pod
        with another address would not, but a restarted process does."""
        part = self._targets.with_suffix(".part")
        part.write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"],
                                     "labels": {"instance": "server"}}]))
        part.replace(self._targets)

    def api(self, path: str, **parameters: str) -> Any:
        """The "data" of an answer; AssertionError for an error."""
        body = urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}",
                                         data=body if parameters else None)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            raise AssertionError(f"{path} {parameters}: {text}") from error

    def finite(self, expr: str, since: float) -> list[float]:
        """All finite values of an expression from `since` on, second by second."""
        data = self.api("query_range", query=expr, start=f"{since:.3f}",
                        end=f"{time.time():.3f}", step="1")
        return [value for series in data["result"] for _, text in series["values"]
                if math.isfinite(value := float(text))]

    def value(self, expr: str) -> float | None:
        """Of the one series of an expression now."""
        result = self.api("query", query=expr)["result"]
        return float(result[0]["value"][1]) if result else None

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=PATIENCE_SECONDS)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._reader.join(timeout=PATIENCE_SECONDS)
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._folder.cleanup()

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
