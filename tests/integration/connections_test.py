"""What a connection may do and how long: every limit of it, as a flag sets it."""

from __future__ import annotations

import time
import unittest

from harness import DEMO_MODEL, Server
from http2 import GOAWAY, PING, Connection, frame, message

# RFC 9113, 6.5.2.
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
# What a busy machine may add to a time.
SLACK = 3.0


class ConnectionsTest(unittest.TestCase):
    """One server with short times for all."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(
            "--model", DEMO_MODEL, "--max-connection-age-ms", 4000,
            "--max-connection-age-grace-ms", 1000, "--max-connection-idle-ms", 1500,
            "--keepalive-ms", 1000, "--keepalive-timeout-ms", 500,
            "--min-ping-interval-ms", 300_000, "--max-streams-per-connection", 77,
            "--max-metadata-bytes", 3000)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()

    def connect(self, **options: object) -> Connection:
        connection = Connection(self.server.grpc_port, **options)
        self.addCleanup(connection.close)
        return connection

    def lifetime(self, connection: Connection, most: float) -> float:
        """Seconds until the server closes it, and a failure after `most`."""
        started = time.monotonic()
        while connection.read(0.1):
            self.assertLess(time.monotonic() - started, most, "it was not closed")
        return time.monotonic() - started

    def test_its_settings_are_announced(self) -> None:
        connection = self.connect()
        while not connection.settings:
            self.assertTrue(connection.read(0.1))
        self.assertEqual(connection.settings[MAX_CONCURRENT_STREAMS], 77)
        self.assertEqual(connection.settings[MAX_HEADER_LIST_SIZE], 3000)

    def test_one_without_a_call_is_closed_after_the_idle_time(self) -> None:
        took = self.lifetime(self.connect(), 1.5 + SLACK)
        self.assertGreater(took, 1.3)

    def test_one_with_a_call_lives_to_its_age_and_grace(self) -> None:
        connection = self.connect()
        connection.begin("ClassifyStream")
        took = self.lifetime(connection, 4 * 1.1 + 1 + SLACK)
        # The age is spread by a tenth, to keep clients from coming all at once.
        self.assertGreater(took, 4 * 0.9)
        self.assertGreaterEqual(connection.counts.get(GOAWAY, 0), 1)

    def test_one_that_does_not_answer_is_closed(self) -> None:
        connection = self.connect(answer_pings=False)
        connection.begin("ClassifyStream")
        took = self.lifetime(connection, 1 + 0.5 + SLACK)
        self.assertGreater(took, 1.0)
        self.assertGreaterEqual(connection.counts.get(PING, 0), 1)

    def test_one_that_asks_too_often_is_closed(self) -> None:
        connection = self.connect()
        connection.begin("ClassifyStream")
        connection.read(0.3)
        for _ in range(10):
            connection.send(frame(PING, 0, 0, b"12345678"))
            connection.read(0.05)
        self.assertLess(self.lifetime(connection, SLACK), SLACK)
        self.assertGreaterEqual(connection.counts.get(GOAWAY, 0), 1)

    def answers(self, filler: int) -> bool:
        """Whether a call with so many bytes of metadata beside its own is taken."""
        connection = self.connect()
        stream = connection.begin("Classify", ("x", "y" * filler))
        connection.data(stream, message(b""), end=True)
        connection.read(SLACK, until=stream)
        self.assertIn(stream, connection.ended)
        # The block that begins with the status says 8 for metadata, 3 for a
        # request without a picture.
        status = connection.ended[stream]
        self.assertNotEqual(b"grpc-status" in status, False, status)
        refused = b"grpc-status\x018" in status
        self.assertNotEqual(refused, b"grpc-status\x013" in status, status)
        return not refused

    def test_metadata_are_taken_up_to_the_last_byte(self) -> None:
        taken, refused = 0, 3000
        while refused - taken > 1:
            middle = (taken + refused) // 2
            if self.answers(middle):
                taken = middle
            else:
                refused = middle
        # gRPC counts names and values of what is not its own.
        self.assertEqual(len("x") + taken, 3000)


if __name__ == "__main__":
    unittest.main()
