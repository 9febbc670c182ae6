"""More calls than a server takes, by callers that repeat what is refused."""

from __future__ import annotations

import json
import unittest

from harness import SOURCE, Server

PICTURE = SOURCE / "demo" / "digit-3.png"


class OverloadTest(unittest.TestCase):

    def bench(self, server: Server, *words: object) -> dict:
        done = server.ctl("bench", PICTURE, "--for", "3s", "--warm-up", "0", "-o", "json",
                          *words)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        side = json.loads(done.stdout)["sides"][0]
        return {**side["phases"][0], **side.get("retries", {})}

    def test_our_client_makes_no_more_than_a_fifth_more_calls_of_it(self) -> None:
        # Far more at once than the server takes of a connection: most are refused, with a
        # time after which to come again.
        with Server("--max-calls-per-connection", 2) as server:
            figures = self.bench(server, "--retry", "--clients", 64)
        self.assertGreater(figures["refused"], figures["answered"], figures)
        self.assertGreater(figures["answered"], 0)
        self.assertEqual(figures["failed"], 0, figures)
        self.assertGreater(figures["calls"], 500)
        self.assertGreater(figures["tries"], figures["calls"])
        self.assertLessEqual(figures["tries_per_call"], 1.2)
        self.assertGreater(figures["beyond_budget"], 0)


if __name__ == "__main__":
    unittest.main()
