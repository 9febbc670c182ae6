"""What docker compose and the split overlay start, without Docker or a cluster: the
same settings, rules, commands and metrics, with the built programs and the
distribution's Prometheus on free ports.
"""

from __future__ import annotations

import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

import yaml

from harness import BESIDE_OTHERS, RESNETCTL, SOURCE, Server, environment
from prometheus import MONITORING, Prometheus, wait_for
from rolling_restart_test import Load, answered, free_ports
from weights import read_safetensors, shifted, write_safetensors

sys.path.insert(0, str(SOURCE / "tests" / "lint"))
sys.path.insert(0, str(SOURCE / "tools"))
import check_compose  # noqa: E402
import check_rules  # noqa: E402
import digit_files  # noqa: E402

K8S = SOURCE / "deploy" / "k8s"
SHARE = "/opt/resnetd/share/resnetd"
MODEL = SOURCE / "models" / "digits"
# Set by CMake where the plug-in is built too.
CAN_TRAIN = os.environ.get("RESNETD_TRAINS") == "1"


class Compose:
    """docker-compose.yml with what differs outside of a container replaced."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        variables = check_compose.environment(SOURCE)
        text = check_compose.substituted((SOURCE / check_compose.FILE).read_text(), variables)
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]
        self.profile = variables["COMPOSE_PROFILES"]

    def command(self, service: str, **replaced: str) -> list[str]:
        """The arguments of a service; paths of the image are those of the source, and
        ports are free ones."""
        places = {"/var/lib/resnetd": str(self.folder / "data"),
                  f"{SHARE}/photos": str(self.folder / "photos"), SHARE: str(SOURCE)}
        words = []
        for word in self.services[service]["command"]:
            if word.startswith(("--listen=", "--http-listen=")):
                continue
            for old, new in {**places, **replaced}.items():
                word = word.replace(old, new)
            words.append(word)
        return words

    def start_server(self) -> Server:
        """The server of the profile that .env chooses, with its environment; its jobs
        do not wait for other tests."""
        service = next(one for one, facts in self.services.items()
                       if facts.get("profiles") == [self.profile])
        settings = self.services[service].get("environment", {})
        return Server(*self.command(service), *BESIDE_OTHERS, **settings)


class QuickPrometheus(Prometheus):
    """With our rules as they are, but for how long an alert waits before it fires."""

    def _config(self) -> dict[str, Any]:
        config = super()._config()
        folder = pathlib.Path(self._folder.name)
        quick = []
        for number, name in enumerate(config["rule_files"]):
            for path in sorted(pathlib.Path("/").glob(name.lstrip("/"))):
                rules = yaml.safe_load(path.read_text())
                for rule in (one for group in rules["groups"] for one in group["rules"]):
                    if "for" in rule:
                        rule["for"] = "1s"
                target = folder / f"{number}-{path.name}"
                target.write_text(yaml.safe_dump(rules))
                quick.append(str(target))
        config["rule_files"] = quick
        return config


class ComposeRehearsalTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.compose = Compose(self.folder)
        self.prometheus = QuickPrometheus()
        self.addCleanup(self.prometheus.close)

    def client(self, service: str, server: Server,
               **replaced: str) -> subprocess.Popen[str]:
        """A service that only calls, as compose starts it."""
        self.assertEqual(self.compose.services[service]["entrypoint"], ["resnetctl"])
        words = self.compose.command(service, **{"server:8001": server.address}, **replaced)
        process = subprocess.Popen([RESNETCTL, *words], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def firing(self, alert: str) -> bool:
        return self.prometheus.value(
            f'ALERTS{{alertname="{alert}",alertstate="firing"}}') == 1

    def rules_are_loaded(self) -> None:
        groups = self.prometheus.api("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual(sorted(rule["name"] for rule in rules),
                         sorted(rule.get("alert") or rule["record"]
                                for _, rule in check_rules.rules_of(SOURCE)))
        self.assertEqual([rule["name"] for rule in rules if rule["health"] == "err"], [])

    def targets_are_up(self) -> None:
        targets = self.prometheus.api("targets")["activeTargets"]
        self.assertEqual([one["health"] for one in targets], ["up"], targets)
        self.assertEqual(targets[0]["labels"]["job"], "resnetd")

    def autoscalers_have_their_metric(self) -> None:
        """What KEDA asks, and what prometheus-adapter is told to ask."""
        scaled = yaml.safe_load((K8S / "components/keda/scaledobject.yaml").read_text())
        adapter = yaml.safe_load((K8S / "components/hpa/adapter-rules.yaml").read_text())
        queries = [scaled["spec"]["triggers"][0]["metadata"]["query"]]
        queries += [rule["metricsQuery"].replace("<<.LabelMatchers>>", 'job="resnetd"')
                    .replace("<<.GroupBy>>", "instance") for rule in adapter["rules"]]
        for query in queries:
            value = wait_for(query, lambda query=query: self.finite(query))
            self.assertGreaterEqual(value[0], 0.0)

    def finite(self, query: str) -> list[float]:
        value = self.prometheus.value(query)
        return [] if value is None or not math.isfinite(value) else [value]

    def test_compose_up_is_measured_and_its_alerts_fire_and_clear(self) -> None:
        server = self.compose.start_server()
        try:
            self.prometheus.look_at(server.http_port)
            # Nobody calls, and that is an answer: a fleet with nothing to do may shrink.
            self.autoscalers_have_their_metric()
            self.client("loadgen", server)
            wait_for("calls", lambda: (self.prometheus.value(
                'sum(rate(resnetd_rpc_requests_total{method="Classify",code="OK"}[10s]))')
                or 0) > 5)
            self.targets_are_up()
            self.rules_are_loaded()
            self.autoscalers_have_their_metric()
            self.assertFalse(self.firing("ResnetdInstanceDown"))
            if CAN_TRAIN:
                self.train(server)
            # Killed: nobody had time to say goodbye.
            server.end(signal.SIGKILL)
            wait_for("the alert", lambda: self.firing("ResnetdInstanceDown"))
        finally:
            server.close()
        # As restart: unless-stopped does, on the same volume.
        with self.compose.start_server() as server:
            self.prometheus.look_at(server.http_port)
            wait_for("the end of the alert",
                     lambda: not self.firing("ResnetdInstanceDown")
                     and self.prometheus.value("resnetd_ready"))

    def train(self, server: Server) -> None:
        """The job of the profile train-demo, shortened."""
        digit_files.write(self.folder / "photos", "0123456789", "training", 20)
        job = self.client("train-demo", server, **{"--steps=2000": "--steps=30"})
        out, _ = job.communicate(timeout=240)
        self.assertEqual(job.returncode, 0, out)
        wait_for("its metrics", lambda: self.prometheus.value(
            'resnetd_finetune_jobs_total{state="SUCCEEDED"}'))

    def test_prometheus_takes_our_configuration_as_it_is(self) -> None:
        words = self.compose.services["prometheus"]["command"]
        # What it is started with in the container is what this one knows, too.
        help_text = subprocess.run([self.program("prometheus"), "--help"], text=True,
                                   capture_output=True, check=False)
        for word in words:
            flag = word.partition("=")[0]
            self.assertIn(flag, help_text.stdout + help_text.stderr)
        checked = subprocess.run([self.program("promtool"), "check", "config",
                                  MONITORING / "prometheus.yml"], check=False)
        self.assertEqual(checked.returncode, 0)

    def program(self, name: str) -> str:
        own = SOURCE / ".deps" / "promtool" / name
        return str(own) if own.exists() else name


class SplitRehearsalTest(unittest.TestCase):
    """Two replicas and the trainer, with the settings of the overlay `split`."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.ports = free_ports(3)
        tensors = read_safetensors(MODEL / "model.safetensors")
        tensors["fc.bias"] = shifted(tensors["fc.bias"], 0.125)
        write_safetensors(self.folder / "second.safetensors", tensors)

    def start(self, number: int) -> Server:
        """0 the trainer, 1 and 2 the replicas; flags win over the file."""
        config = "trainer.toml" if number == 0 else "replica.toml"
        own: list[object] = (["--data-dir", self.folder / "data", "--model", MODEL]
                             if number == 0 else
                             ["--registry", f"127.0.0.1:{self.ports[0]}",
                              "--drain-delay-ms", 300])
        server = Server("--config", K8S / "overlays" / "split" / config,
                        "--listen", f"127.0.0.1:{self.ports[number]}", *own)
        wait_for("readiness", lambda: server.get("/readyz")[0] == 200)
        return server


    def answering(self, server: Server) -> int:
        done = server.ctl("classify", SOURCE / "demo" / "digit-3.png", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return yaml.safe_load(done.stdout)["served_by"]["version"]

    def test_a_promotion_a_dead_trainer_and_a_rollover_lose_no_call(self) -> None:
        fleet = [self.start(number) for number in range(3)]
        try:
            with Load(",".join(one.address for one in fleet[1:]), "--retry", "--rate", 40,
                      "--deadline", "20s") as load:
                self.await_calls(fleet[1:])
                self.promote(fleet)
                # The owner dies and comes back; nobody who classifies notices.
                fleet[0].end(signal.SIGKILL)
                self.await_calls(fleet[1:])
                fleet[0].close()
                fleet[0] = self.start(0)
                for number in (1, 2):
                    self.assertEqual(fleet[number].end(), 0, fleet[number].log())
                    fleet[number].close()
                    fleet[number] = self.start(number)
                    self.assertEqual(self.answering(fleet[number]), 2)
                    self.await_calls(fleet[1:])
                figures = load.end()
        finally:
            for server in fleet:
                server.close()
        self.assertEqual(figures["errors"], {})
        self.assertEqual(figures["answered"], figures["calls"], figures)
        self.assertGreater(figures["calls"], 40)
        print(f"{figures['calls']} calls, {figures['tries']} tries, none lost")

    def promote(self, fleet: list[Server]) -> None:
        for words in (["import", self.folder / "second.safetensors", "--name", "digits",
                       "--labels", MODEL / "labels.txt", "--resize", 32, "--crop", 32],
                      ["promote", "digits@2"]):
            done = fleet[0].ctl("models", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
        since = time.monotonic()
        wait_for("the version", lambda: all(self.answering(one) == 2 for one in fleet[1:]))
        took = time.monotonic() - since
        print(f"both replicas serve the version after {took:.2f} s")
        self.assertLess(took, 5.0)

    def await_calls(self, servers: list[Server]) -> None:
        """Until each has answered some more."""
        for server in servers:
            before = answered(server)
            wait_for("calls", lambda s=server, b=before: answered(s) >= b + 5)


if __name__ == "__main__":
    unittest.main()
