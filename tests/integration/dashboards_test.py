"""Every expression of every dashboard and rule, asked of the real Prometheus while
the real server answers, trains, promotes, rolls back and restarts."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BIN, DEMO_MODEL, PATIENCE_SECONDS, SOURCE, Server, write_digits
from prometheus import Prometheus, wait_for

sys.path.insert(0, str(SOURCE / "tests" / "lint"))
import check_dashboards  # noqa: E402
import check_rules  # noqa: E402
import metriclib  # noqa: E402
import promql  # noqa: E402

# Metrics that no server here exports, and why; what names one of them must at least
# be read by Prometheus.
ABSENT = {
    "resnetd_gpu_": "there is no GPU",
    "resnetd_credential_": "there is no certificate and no token; auth_test has both",
}
# Those that the server shows only where there is something to tell; when it exports
# one of them here, its expressions must have data like all others.
IF_EXPORTED = {
    "resnetd_finetune_grad_noise_scale_examples": "no signal was above the noise",
}
# What Grafana puts in: a scrape each second, and a run of some minutes.
STAND_INS = {"__rate_interval": "5s", "__interval": "5s", "__range": "10m"}


def substituted(expr: str) -> str:
    return check_rules.VARIABLE.sub(
        lambda match: STAND_INS.get(match[1] or match[2], ".+"), expr)


def metrics_of(expr: str) -> list[str]:
    return [one.metric for one in promql.read(expr)[0]]


class Load:
    """Calls that go on beside everything else: a few good ones each second."""

    def __init__(self, server: Server) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in
             (BIN / "interference_load", server.address, "digits",
              *sorted((SOURCE / "demo").glob("digit-*")), "--rate=40", "--seconds=600")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class DashboardsTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.prometheus = Prometheus()
        self.addCleanup(self.prometheus.close)
        self.began = time.time()

    def start(self) -> Server:
        # A short queue: a call of many pictures is refused.
        server = Server("--data-dir", self.folder / "data", "--model", DEMO_MODEL,
                        "--max-queue-images", "12")
        self.prometheus.look_at(server.http_port)
        return server

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def sees(self, expr: str, at_least: float) -> None:
        """Waits until Prometheus does: longer than for calls, as jobs run at the lowest
        priority."""
        wait_for(f"{expr} >= {at_least}",
                 lambda: (self.prometheus.value(expr) or 0) >= at_least,
                 3 * PATIENCE_SECONDS)

    # --- what the server goes through ---

    def live(self) -> None:
        """A server's day in a minute; Prometheus sees each part of it."""
        with self.start() as server:
            self.sees("resnetd_ready", 1)
            self.make_version(server)
            load = Load(server)
            try:
                self.sees('resnetd_rpc_requests_total{method="Classify",code="OK"}', 60)
                self.fail_calls(server)
                self.train(server)
                self.move_aliases(server)
            finally:
                load.end()
        with self.start() as server:
            self.sees("changes(process_start_time_seconds[5m])", 1)
            self.sees("resnetd_ready", 1)
            load = Load(server)
            try:
                self.sees('rate(resnetd_rpc_requests_total{method="Classify",code="OK"}[5s])', 1)
            finally:
                load.end()

    def fail_calls(self, server: Server) -> None:
        pictures = sorted((SOURCE / "demo").glob("digit-*"))
        broken = self.folder / "broken.png"
        broken.write_bytes(b"no picture")
        for _ in range(3):
            # One broken picture in a call, an unknown model, more than the queue holds.
            server.ctl("classify", broken, pictures[0])
            server.ctl("classify", pictures[0], "--model", "unknown")
            server.ctl("classify", *pictures * 4, "--timeout", "500ms")
        self.sees('sum(resnetd_rpc_requests_total{code="RESOURCE_EXHAUSTED"})', 1)

    def make_version(self, server: Server) -> None:
        """By a job that no load holds up."""
        known = self.folder / "known"
        write_digits(known, last=900)
        self.must(server, "data", "upload", known, "--dataset", "known", "--seal")
        self.must(server, "train", "start", "--model", "digits", "--dataset", "known",
                  "--batch", "16", "--steps", "40", "--promote", "candidate")
        self.sees('resnetd_finetune_jobs_total{state="SUCCEEDED"}', 1)

    def train(self, server: Server) -> None:
        """A job beside the load, until it has been evaluated, saved and paused."""
        # A class that the model does not know beside those that it does.
        more = self.folder / "more"
        write_digits(more, last=900)
        (more / "9").rename(more / "nine")
        self.must(server, "data", "upload", more, "--dataset", "more", "--seal")
        self.must(server, "train", "start", "--model", "digits", "--dataset", "more",
                  "--batch", "16", "--head", "grow", "--allow-forgetting", "--steps", "20000",
                  "--set", "evaluate_every=100")
        # Every tenth sample, of which each tenth step has one, also tells noise.
        self.sees("resnetd_finetune_step", 120)
        self.sees('resnetd_finetune_accuracy_ratio{split="validation"}', 0.01)
        wait_for("a slowdown", lambda: self.prometheus.value("resnetd_serving_slowdown_ratio"))
        self.sees("resnetd_finetune_checkpoint_timestamp_seconds", 1)
        self.must(server, "train", "pause", "2")
        self.sees('resnetd_finetune_queue_jobs{state="PAUSED"}', 1)
        self.must(server, "train", "resume", "2")

    def move_aliases(self, server: Server) -> None:
        versions = json.loads(self.must(server, "models", "versions", "digits", "-o", "json"))
        newest = max(int(one["version"]) for one in versions["versions"])
        self.assertGreater(newest, 1, versions)
        self.must(server, "models", "promote", f"digits@{newest}", "--override-gate", "a test")
        self.sees('resnetd_alias_switches_total{kind="set"}', 1)
        self.must(server, "models", "rollback", "digits")
        self.sees('resnetd_alias_switches_total{kind="rollback"}', 1)
        self.sees('ALERTS{alertname="ResnetdRollback",alertstate="firing"}', 1)

    # --- what is asked of Prometheus ---

    def exported(self) -> set[str]:
        """Names of all series that Prometheus has of the server."""
        names = self.prometheus.api("label/__name__/values")
        return set(names)

    def excuse(self, expr: str, exported: set[str]) -> str:
        """Why an expression may have no data; "": it may not."""
        for metric in metrics_of(expr):
            for start, why in ABSENT.items():
                if metric.startswith(start):
                    return why
            for start, why in IF_EXPORTED.items():
                if metric.startswith(start) and metric not in exported:
                    return why
        return ""

    def judge(self, where: str, expr: str, exported: set[str]) -> str:
        """What is wrong with an expression; "": nothing."""
        try:
            values = self.prometheus.finite(substituted(expr), self.began)
        except AssertionError as error:
            return f"{where}: {error}"
        excuse = self.excuse(expr, exported)
        if excuse:
            self.excused[where] = excuse
        elif not values:
            return f"{where}: no finite value: {substituted(expr)}"
        return ""

    def questions(self) -> list[tuple[str, str]]:
        """(where, expression) of everything in dashboards and rules. Of an alert, which
        is empty while all is well, each selector."""
        asked = []
        for path in sorted((SOURCE / check_dashboards.FOLDER).glob("*.json")):
            for where, expr in check_dashboards.expressions(json.loads(path.read_text())):
                asked.append((f"{path.name}: {where}", expr))
        for _, rule in check_rules.rules_of(SOURCE):
            if "record" in rule:
                asked.append((rule["record"], rule["expr"]))
                continue
            for one in promql.read(rule["expr"])[0]:
                matchers = ",".join(f'{label}{operator}"{value}"'
                                    for label, operator, value in one.matchers)
                asked.append((rule["alert"], f"{one.metric}{{{matchers}}}"))
        return asked

    def test_every_expression_has_data_while_the_server_works(self) -> None:
        self.excused: dict[str, str] = {}
        self.live()
        exported = self.exported()
        asked = self.questions()
        self.assertGreater(len(asked), 150)
        faults = [fault for where, expr in asked
                  if (fault := self.judge(where, expr, exported))]
        print(f"{len(asked)} expressions, {len(self.excused)} excused:")
        for where, why in sorted(self.excused.items()):
            print(f"  {where}: {why}")
        self.assertEqual(faults, [], "\n" + "\n".join(faults))
        self.rules_are_healthy()
        self.nothing_is_exported_that_is_not_declared(exported)

    def rules_are_healthy(self) -> None:
        groups = self.prometheus.api("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual(len(rules), len(list(check_rules.rules_of(SOURCE))))
        sick = [(rule["name"], rule.get("lastError")) for rule in rules
                if rule["health"] != "ok"]
        self.assertEqual(sick, [])

    def nothing_is_exported_that_is_not_declared(self, exported: set[str]) -> None:
        known = set(metriclib.series(SOURCE))
        undeclared = {name for name in exported
                      if name.startswith("resnetd_") and name not in known}
        self.assertEqual(undeclared, set())
        samples = self.prometheus.value("max(max_over_time(scrape_samples_scraped[10m]))")
        print(f"series of the server: {samples:.0f}")
        self.assertGreater(samples or 0, 100)
        self.assertLess(samples or 0, 20_000)


if __name__ == "__main__":
    unittest.main()
