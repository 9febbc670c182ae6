"""Servers that are restarted in turns under load lose no call of our client, no request
of its streams, and no call of Embed.

The short form restarts a few times, RESNETD_TEST_LONG=1 a hundred times.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest
from collections.abc import Callable

from harness import PATIENCE_SECONDS, RESNETCTL, SOURCE, Server, environment

IS_LONG = os.environ.get("RESNETD_TEST_LONG") == "1"
RESTARTS = 100 if IS_LONG else 6
PICTURE = SOURCE / "demo" / "digit-3.png"
# As what the metrics count them.
CALLS, REQUESTS, EMBEDS = "Classify", "ClassifyStreamRequest", "Embed"
STREAMS = 4


def free_ports(count: int) -> list[int]:
    """Ports that no other program is given before ours listens there again.

    The kernel hands none of them out while it remembers a connection to it: each is
    used once, and the server, which binds with SO_REUSEADDR, may still listen.
    """
    ports = []
    for _ in range(count):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                accepted, _ = listener.accept()
                # Whoever closes first remembers.
                accepted.close()
            ports.append(port)
    return ports


def answered(server: Server, method: str = CALLS) -> float:
    """How many calls of a method it has answered."""
    found = re.findall(r'^resnetd_rpc_requests_total\{[^}]*code="OK"[^}]*method="([^"]*)"[^}]*\}'
                       r' (\S+)$', server.get("/metrics")[1], re.MULTILINE)
    return sum(float(value) for name, value in found if name == method)


def connections(server: Server) -> int:
    """How many clients are connected over gRPC."""
    # Of a listener of both families, which gRPC's is, IPv4 is among IPv6.
    lines = [line for family in ("tcp", "tcp6")
             for line in pathlib.Path(f"/proc/net/{family}").read_text().splitlines()[1:]]
    ends = [line.split()[1:4:2] for line in lines]
    # 01: ESTABLISHED.
    return sum(local.endswith(f":{server.grpc_port:04X}") and state == "01"
               for local, state in ends)


class Load:
    """`resnetctl bench` with the client library, until it is ended."""

    def __init__(self, servers: str, *flags: object) -> None:
        self.process = subprocess.Popen(
            [RESNETCTL, "--server", servers, "bench", PICTURE, "--for", "1h", "--warm-up", "0",
             "-o", "json", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())

    def end(self) -> dict:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        if self.process.returncode not in (0, 1):
            raise AssertionError(err)
        side = json.loads(out)["sides"][0]
        return {**side["phases"][0], **side.get("retries", {})}

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class RollingRestartTest(unittest.TestCase):

    def restart_in_turns(self, restarts: int, with_signal: signal.Signals,
                         *flags: object, load_flags: tuple[object, ...] = (),
                         method: str = CALLS) -> dict:
        """What calls see while two servers are restarted one after the other."""
        ports = free_ports(2)

        def start(number: int) -> Server:
            return Server("--listen", f"127.0.0.1:{ports[number]}", *flags)

        servers = [start(0), start(1)]
        # Streams stay where they are, until that server goes.
        wait = self.wait_until_connected if method == REQUESTS else self.wait_until_called
        try:
            with Load(",".join(server.address for server in servers), "--retry",
                      "--clients", 8, "--deadline", "20s", *load_flags) as load:
                for server in servers:
                    wait(server, load, method=method)
                for number in range(restarts):
                    old, other = servers[number % 2], servers[(number + 1) % 2]
                    code = old.end(with_signal)
                    self.assertEqual(code, 0 if with_signal == signal.SIGTERM else -with_signal,
                                     old.log())
                    old.close()
                    # All goes on at the other one.
                    self.wait_until_called(other, load, answered(other, method) + 20, method)
                    servers[number % 2] = start(number % 2)
                    wait(servers[number % 2], load, method=method)
                return load.end()
        finally:
            for server in servers:
                server.close()

    def wait_until(self, is_so: Callable[[], bool], load: Load) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            self.assertIsNone(load.process.poll(), "the load has ended")
            self.assertLess(time.monotonic(), deadline, "no calls came")

    def wait_until_called(self, server: Server, load: Load, calls: float = 20,
                          method: str = CALLS) -> None:
        """As whoever rolls servers over waits before the next: it takes its share."""
        self.wait_until(lambda: answered(server, method) >= calls, load)

    def wait_until_connected(self, server: Server, load: Load, method: str = CALLS) -> None:
        """The same where the share comes later: the client knows of it."""
        del method
        self.wait_until(lambda: connections(server) > 0, load)

    def assert_nothing_is_lost(self, figures: dict, restarts: int) -> None:
        self.assertGreater(figures["calls"], 20 * restarts)
        self.assertEqual(figures["answered"], figures["calls"], figures)
        self.assertEqual(figures["errors"], {})
        self.assertLessEqual(figures["tries_per_call"], 1.2)

    def test_sigterm_loses_no_call(self) -> None:
        figures = self.restart_in_turns(RESTARTS, signal.SIGTERM)
        self.assert_nothing_is_lost(figures, RESTARTS)
        print(f"{RESTARTS} restarts, {figures['calls']} calls, {figures['tries']} tries")

    def test_sigterm_loses_no_request_of_a_stream(self) -> None:
        restarts = RESTARTS if IS_LONG else 3
        figures = self.restart_in_turns(restarts, signal.SIGTERM, method=REQUESTS,
                                        load_flags=("--streams", STREAMS))
        self.assert_nothing_is_lost(figures, restarts)
        print(f"{restarts} restarts, {figures['calls']} requests of {STREAMS} streams, "
              f"{figures['tries']} tries")

    def test_sigterm_loses_no_call_of_embed(self) -> None:
        restarts = RESTARTS if IS_LONG else 2
        figures = self.restart_in_turns(restarts, signal.SIGTERM, method=EMBEDS,
                                        load_flags=("--method", "embed"))
        self.assert_nothing_is_lost(figures, restarts)
        print(f"{restarts} restarts, {figures['calls']} calls of Embed, "
              f"{figures['tries']} tries")

    def test_a_killed_server_loses_no_request_of_a_stream(self) -> None:
        # Of those that are out then, none has an answer, and nobody asks anything new
        # before they have.
        figures = self.restart_in_turns(max(RESTARTS // 10, 2), signal.SIGKILL, method=REQUESTS,
                                        load_flags=("--streams", STREAMS))
        self.assert_nothing_is_lost(figures, 2)

    def test_a_stream_whose_connection_is_renewed_loses_no_request(self) -> None:
        # Streams are cut at age and grace, with what is out on them.
        with Server("--max-connection-age-ms", 1000,
                    "--max-connection-age-grace-ms", 200) as server:
            with Load(server.address, "--retry", "--rate", 300, "--deadline", "20s",
                      "--streams", STREAMS) as load:
                self.wait_until_called(server, load, 30_000 if IS_LONG else 600, REQUESTS)
                figures = load.end()
        self.assertEqual(figures["answered"], figures["calls"], figures)
        self.assertEqual(figures["errors"], {})

    def test_streams_reach_a_server_that_came_later_when_their_connections_age(self) -> None:
        ages = ("--max-connection-age-ms", 1000, "--max-connection-age-grace-ms", 200)
        ports = free_ports(2)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        with Server("--listen", addresses[0], *ages) as first:
            with Load(",".join(addresses), "--retry", "--rate", 300, "--deadline", "20s",
                      "--streams", STREAMS) as load:
                self.wait_until_called(first, load, method=REQUESTS)
                with Server("--listen", addresses[1], *ages) as later:
                    self.wait_until_called(later, load, method=REQUESTS)
                    figures = load.end()
        self.assertEqual(figures["answered"], figures["calls"], figures)
        self.assertEqual(figures["errors"], {})

    def test_streams_stay_where_they_are_while_their_connections_do(self) -> None:
        ports = free_ports(2)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        with Server("--listen", addresses[0]) as first:
            with Load(",".join(addresses), "--retry", "--rate", 300, "--deadline", "20s",
                      "--streams", STREAMS) as load:
                self.wait_until_called(first, load, method=REQUESTS)
                with Server("--listen", addresses[1]) as later:
                    self.wait_until_connected(later, load)
                    self.wait_until_called(first, load, answered(first, REQUESTS) + 300, REQUESTS)
                    self.assertEqual(answered(later, REQUESTS), 0)
                    # It takes them over when the first one goes.
                    self.assertEqual(first.end(), 0, first.log())
                    self.wait_until_called(later, load, method=REQUESTS)
                    figures = load.end()
        self.assertEqual(figures["answered"], figures["calls"], figures)

    def test_with_a_drain_delay_hardly_a_call_is_even_repeated(self) -> None:
        figures = self.restart_in_turns(RESTARTS // 2, signal.SIGTERM, "--drain-delay-ms", 300)
        self.assert_nothing_is_lost(figures, RESTARTS // 2)
        print(f"{RESTARTS // 2} restarts, {figures['calls']} calls, {figures['tries']} tries")

    def test_a_killed_server_loses_no_call_either(self) -> None:
        figures = self.restart_in_turns(max(RESTARTS // 10, 2), signal.SIGKILL)
        self.assert_nothing_is_lost(figures, 2)

    def test_a_connection_that_is_renewed_loses_no_call(self) -> None:
        # Without repetitions: what comes while the old connection ends, gRPC itself sends
        # over the new one.
        with Server("--max-connection-age-ms", 1000) as server:
            with Load(server.address, "--rate", 300, "--deadline", "20s") as load:
                self.wait_until_called(server, load, 30_000 if IS_LONG else 1_500)
                figures = load.end()
        self.assertEqual(figures["answered"], figures["calls"], figures)
        self.assertEqual(figures["errors"], {})

    def test_calls_in_flight_are_answered_before_the_end(self) -> None:
        # Of 64 pictures each, so that 16 of them take longer than the signal, and without
        # repetitions: what the server has taken, it answers itself.
        for _ in range(20 if IS_LONG else 3):
            server = Server("--log-level=debug")
            try:
                with Load(server.address, "--clients", 16, "--connections", 4,
                          "--batch", 64, "--priority", "batch") as load:
                    self.wait_until_called(server, load, 5)
                    self.assertEqual(server.end(), 0, server.log())
                    figures = load.end()
            finally:
                server.close()
            log = server.log().splitlines()
            self.assertNotIn("in_flight=0", next(line for line in log if "draining" in line))
            self.assertIn("calls_cut_off=0", next(line for line in log if "drained" in line))
            # Every answer has arrived, beside that of the call before the load.
            served = [line for line in log if "call served" in line and "method=Classify" in line]
            self.assertGreaterEqual(len(served), 5)
            self.assertEqual(figures["answered"], len(served) - 1)
            # The others were told to go elsewhere, until there was no server. CANCELLED is what
            # gRPC makes of a call that comes while it shuts down.
            self.assertIn("UNAVAILABLE DRAINING", figures["errors"])
            self.assertLessEqual(set(figures["errors"]),
                                 {"UNAVAILABLE DRAINING", "UNAVAILABLE", "CANCELLED"})


if __name__ == "__main__":
    unittest.main()
