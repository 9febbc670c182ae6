"""`resnetctl top` of a real server: lines, documents, and the screen of a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

from harness import PATIENCE_SECONDS, RESNETCTL, SOURCE, Server, environment

PICTURE = SOURCE / "demo" / "digit-3.png"


class TopTest(unittest.TestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        load = subprocess.Popen(
            [RESNETCTL, "-s", cls.server.address, "bench", PICTURE, "--for", "1h", "-q"],
            stdout=subprocess.DEVNULL, env=environment())
        cls.addClassCleanup(load.wait, PATIENCE_SECONDS)
        cls.addClassCleanup(load.send_signal, signal.SIGINT)

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.server.http_port}"

    def top(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.server.ctl("top", "--http", self.http, *words)

    def test_one_document_by_itself(self) -> None:
        done = self.top("-o", "json", "--interval", "300ms")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["server"], self.http)
        self.assertTrue(document["ready"])
        self.assertGreaterEqual(document["seconds"], 0.3)
        self.assertGreater(document["images_per_second"], 1)
        self.assertGreater(document["latency_ms"]["p99"], 0)
        self.assertGreater(document["memory_bytes"], 1 << 20)
        (model,) = document["models"]
        self.assertEqual(model["name"], "digits")
        self.assertGreater(model["forward_ms"], 0)
        self.assertEqual(document["jobs"], [])

    def test_a_document_a_line_as_often_as_told(self) -> None:
        done = self.top("-o", "json", "--interval", "100ms", "-n", 3)
        documents = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(documents), 3)

    def test_lines_where_nobody_watches(self) -> None:
        done = self.top("--interval", "100ms", "-n", 2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\x1b", done.stdout)
        headings, *rows = done.stdout.splitlines()
        self.assertIn("images/s", headings)
        self.assertEqual(len(rows), 2)
        self.assertGreater(float(rows[0].split()[2].replace(",", "")), 1)

    def test_a_server_that_is_not_there_is_told_with_what_to_do(self) -> None:
        with Server() as gone:
            nowhere = f"127.0.0.1:{gone.http_port}"
        done = self.server.ctl("top", "--http", nowhere, "-n", 1)
        self.assertEqual(done.returncode, 3)
        self.assertIn("--http", done.stderr)
        # What answers there is no HTTP.
        self.assertEqual(self.server.ctl("top", "--http", self.server.address).returncode, 3)
        done = self.server.ctl("top", "-s", "localhost:1,localhost:2")
        self.assertEqual(done.returncode, 2)

    def test_a_screen_that_q_or_a_signal_leaves_as_it_was(self) -> None:
        for end in ("q", "signal"):
            master, slave = pty.openpty()
            process = subprocess.Popen(
                [RESNETCTL, "-s", self.server.address, "top", "--http", self.http,
                 "--interval", "100ms"],
                stdin=slave, stdout=slave, stderr=slave,
                env=environment(TERM="xterm", LC_ALL="C.UTF-8"))
            os.close(slave)
            try:
                shown = self.read_until(master, b"", "digits")
                self.assertIn(b"\x1b[?1049h", shown)
                if end == "q":
                    os.write(master, b"q")
                else:
                    process.send_signal(signal.SIGINT)
                shown = self.read_until(master, shown, "\x1b[?1049l")
                self.assertEqual(process.wait(PATIENCE_SECONDS), 0)
            finally:
                process.kill()
                process.wait()
                os.close(master)

    def read_until(self, master: int, seen: bytes, text: str) -> bytes:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text.encode() not in seen:
            self.assertLess(time.monotonic(), deadline, seen)
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 65536)
        return seen


if __name__ == "__main__":
    unittest.main()
