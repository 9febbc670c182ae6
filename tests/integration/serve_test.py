"""The running server, seen from outside: probes, metrics, logs, signals."""

from __future__ import annotations

import json
import re
import signal
import threading
import unittest

from harness import DEMO_MODEL, RESNETD, SOURCE, Server, run

EXPECTED: dict[str, str] = json.loads((SOURCE / "demo" / "expected.json").read_text())
PICTURES = [SOURCE / "demo" / name for name in sorted(EXPECTED)]


class ServeTest(unittest.TestCase):
    """One server for the tests that do not end it."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("--log-level=debug")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)

    def test_the_demo_model_is_served_without_any_setting(self) -> None:
        listed = json.loads(self.server.ctl("models", "list", "-o", "json").stdout)
        self.assertEqual([m["name"] for m in listed["models"]], ["models/digits"])

    def test_every_demo_picture_is_classified_right(self) -> None:
        self.assertGreaterEqual(len(PICTURES), 5)
        result = self.server.ctl("classify", *PICTURES, "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        images = json.loads(result.stdout)["images"]
        self.assertEqual(len(images), len(PICTURES))
        for picture, image in zip(PICTURES, images):
            best = image["predictions"][0]
            self.assertEqual(best["label"], EXPECTED[picture.name], picture)
            self.assertGreater(best["probability"], 0.5)

    def test_probes_and_version_answer(self) -> None:
        self.assertEqual(self.server.get("/livez"), (200, "ok\n"))
        self.assertEqual(self.server.get("/readyz"), (200, "ok\n"))
        self.assertEqual(self.server.get("/nowhere")[0], 404)
        version = run(RESNETD, "--version").stdout.split()[-1]
        self.assertEqual(self.server.get("/version"), (200, version + "\n"))

    def test_metrics_count_what_was_classified(self) -> None:
        def images() -> float:
            found = re.findall(r'^resnetd_images_total\{[^}]*outcome="OK"[^}]*\} (\S+)$',
                               self.server.get("/metrics")[1], re.MULTILINE)
            return sum(float(value) for value in found)

        before = images()
        self.assertEqual(self.server.ctl("classify", *PICTURES[:3]).returncode, 0)
        self.assertEqual(images() - before, 3)

    def test_a_request_id_stands_in_the_log_and_in_the_answer(self) -> None:
        result = self.server.ctl("classify", PICTURES[0], "--request-id", "find-me-17",
                                 "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.server.wait_for_line("find-me-17")

    def test_health_names_answer(self) -> None:
        self.assertEqual(self.server.ctl("health").returncode, 0)

    def test_doctor_finds_nothing_wrong(self) -> None:
        result = self.server.ctl("doctor")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class EndTest(unittest.TestCase):
    """Signals."""

    def test_sigterm_finishes_what_is_in_flight(self) -> None:
        with Server("--drain-delay-ms=100") as server:
            codes: list[int] = []

            def classify() -> None:
                codes.append(server.ctl("classify", *(PICTURES * 20)).returncode)

            callers = [threading.Thread(target=classify) for _ in range(4)]
            for caller in callers:
                caller.start()
            self.assertEqual(server.ctl("classify", PICTURES[0]).returncode, 0)
            self.assertEqual(server.end(), 0)
            for caller in callers:
                caller.join()
            # Served, or refused as a whole because it came too late: never broken.
            self.assertTrue(set(codes) <= {0, 3}, codes)
            self.assertIn("drained", server.log())

    def test_sigint_ends_the_server_too(self) -> None:
        with Server() as server:
            self.assertEqual(server.end(signal.SIGINT), 0)

    def test_a_second_signal_ends_a_drain_at_once(self) -> None:
        server = Server("--drain-delay-ms=600000")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_line("draining")
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(), -signal.SIGTERM)
        server.close()

    def test_json_logs_are_one_object_a_line(self) -> None:
        with Server("--log-format=json", "--model", DEMO_MODEL) as server:
            self.assertEqual(server.end(), 0)
            lines = [json.loads(line) for line in server.log().splitlines()]
        self.assertIn("ready", [line["message"] for line in lines])
        for line in lines:
            self.assertLessEqual({"time", "level", "message"}, set(line))


if __name__ == "__main__":
    unittest.main()
