"""/metrics of the real server: what Prometheus negotiates, and what a person with a
browser gets."""

from __future__ import annotations

import unittest
import urllib.request

from harness import PATIENCE_SECONDS, SOURCE, Server
from prometheus import Prometheus, wait_for


class ExpositionTest(unittest.TestCase):

    def accept(self, server: Server, accept: str) -> tuple[str, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}/metrics",
                                         headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
            return reply.headers["Content-Type"], reply.read().decode()

    def test_the_format_is_what_the_scraper_accepts(self) -> None:
        with Server() as server:
            kind, text = self.accept(server, "application/openmetrics-text;version=1.0.0,*/*;q=0.1")
            self.assertEqual(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.assertTrue(text.endswith("\n# EOF\n"))
            self.assertIn("# TYPE resnetd_images counter\n", text)
            kind, text = self.accept(server, "text/html,*/*;q=0.8")
            self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
            self.assertIn("# TYPE resnetd_images_total counter\n", text)

    def series(self, server: Server) -> set[str]:
        """Everything of /metrics but the values."""
        text = self.accept(server, "text/plain")[1]
        return {line.rpartition(" ")[0] for line in text.splitlines()
                if not line.startswith("#")}

    def test_names_that_callers_make_up_make_no_series(self) -> None:
        picture = next((SOURCE / "demo").glob("digit-*"))
        with Server() as server:
            def call(name: str) -> None:
                done = server.ctl("classify", picture, "--model", name)
                self.assertEqual(done.returncode, 4, done.stderr)

            # The first one makes that of NOT_FOUND.
            call("nobody")
            before = self.series(server)
            for number in range(30):
                call(f"random-{number * 7919 % 10007}")
            self.assertEqual(self.series(server), before)

    def test_prometheus_reads_openmetrics_of_the_real_server(self) -> None:
        with Server() as server, Prometheus() as prometheus:
            prometheus.look_at(server.http_port)
            wait_for("a scrape", lambda: prometheus.value("resnetd_ready") == 1)
            target = prometheus.api("targets")["activeTargets"][0]
            self.assertEqual((target["health"], target["lastError"]), ("up", ""))
            # As OpenMetrics writes bounds, so it was that format.
            found = prometheus.value('count(resnetd_batch_size_images_bucket{le="1.0"})')
            self.assertGreaterEqual(found or 0, 1)


if __name__ == "__main__":
    unittest.main()
