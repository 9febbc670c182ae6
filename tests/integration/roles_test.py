"""A server that owns the models and one that follows it, as two processes."""

from __future__ import annotations

import json
import pathlib
import signal
import tempfile
import unittest
from typing import Any

from harness import DEMO_MODEL, SOURCE, Server
from weights import read_safetensors, shifted, write_safetensors

PICTURE = SOURCE / "demo" / "digit-3.png"
LABELS = DEMO_MODEL / "labels.txt"


class RolesTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        tensors = read_safetensors(DEMO_MODEL / "model.safetensors")
        self.files = []
        for number in (1, 2):
            tensors["fc.bias"] = shifted(tensors["fc.bias"], 0.125)
            self.files.append(self.folder / f"{number}.safetensors")
            write_safetensors(self.files[-1], tensors)

    def owner(self, port: int = 0) -> Server:
        return Server("--roles", "control,train", "--data-dir", self.folder / "data",
                      "--listen", f"127.0.0.1:{port}")

    def follower(self, owner: Server) -> Server:
        replica = Server("--roles", "serve", "--registry", owner.address)
        # Perhaps it did before the constructor saw that it listens.
        if "follows the registry" not in replica.log():
            replica.wait_for_line("follows the registry")
        return replica

    def must(self, server: Server, *words: object) -> dict[str, Any]:
        done = server.ctl(*words, "-o", "json")
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def add(self, server: Server, number: int) -> None:
        self.must(server, "models", "import", self.files[number - 1], "--name", "net",
                  "--labels", LABELS, "--resize", 32, "--crop", 32)

    def answering(self, server: Server) -> int:
        return int(self.must(server, "classify", "-m", "net", PICTURE)
                   ["served_by"]["version"])

    def await_version(self, replica: Server, version: int) -> None:
        """Until it answers, which it says in its log when it has switched over."""
        while self.answering(replica) != version:
            replica.wait_for_line("alias moved")

    def test_a_replica_serves_what_the_owner_promotes_and_goes_on_without_it(self) -> None:
        owner = self.owner()
        try:
            self.add(owner, 1)
            with self.follower(owner) as replica:
                self.assertEqual(self.answering(replica), 1)
                # Who owns the models does not classify, who follows does not change.
                self.assertNotEqual(owner.ctl("classify", "-m", "net", PICTURE).returncode, 0)
                refused = replica.ctl("models", "promote", "net@1", "-o", "json")
                self.assertEqual(json.loads(refused.stdout)["error"]["reason"], "REPLICA")

                self.add(owner, 2)
                self.must(owner, "models", "promote", "net@2")
                self.await_version(replica, 2)

                # It is killed: nobody who classifies notices.
                owner.end(signal.SIGKILL)
                for _ in range(20):
                    self.assertEqual(self.answering(replica), 2)
                # It comes back, and is followed again.
                with self.owner(owner.grpc_port) as back:
                    self.must(back, "models", "rollback", "net")
                    self.await_version(replica, 1)
        finally:
            owner.close()

    def test_a_replica_that_hangs_is_named_in_time_and_then_waited_for(self) -> None:
        with self.owner() as owner:
            self.add(owner, 1)
            with self.follower(owner) as hanging, self.follower(owner) as replica:
                self.add(owner, 2)
                words = ("models", "promote", "net@2", "--wait", "--replicas",
                         f"{hanging.address},{replica.address}")
                # The kernel still takes connections for it.
                hanging.process.send_signal(signal.SIGSTOP)
                try:
                    done = owner.ctl(*words, "--timeout", "5s", "-o", "json")
                finally:
                    hanging.process.send_signal(signal.SIGCONT)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(f"{hanging.address} did not say: no connection", done.stderr)
                told = json.loads(done.stdout)
                self.assertEqual(told["error"]["reason"], "REPLICAS_BEHIND")
                self.assertNotIn("error", told["replicas"][1])
                again = self.must(owner, *words, "--timeout", "2m")
                self.assertEqual([one["version"] for one in again["replicas"]], [2, 2])

    def test_a_replica_goes_on_while_its_owner_hangs(self) -> None:
        with self.owner() as owner:
            self.add(owner, 1)
            with self.follower(owner) as replica:
                owner.process.send_signal(signal.SIGSTOP)
                try:
                    for _ in range(20):
                        self.assertEqual(self.answering(replica), 1)
                finally:
                    owner.process.send_signal(signal.SIGCONT)
                self.add(owner, 2)
                self.must(owner, "models", "promote", "net@2")
                self.await_version(replica, 2)

    def test_a_replica_without_its_registry_waits_and_says_so(self) -> None:
        replica = Server("--roles", "serve", "--registry", "127.0.0.1:1")
        try:
            if "cannot be followed" not in replica.log():
                replica.wait_for_line("cannot be followed")
            self.assertIn("--registry 127.0.0.1:1 does not answer", replica.log())
            self.assertIn("is the owner of the models there", replica.log())
            self.assertEqual(replica.get("/readyz")[0], 503)
            self.assertEqual(replica.get("/livez")[0], 200)
            self.assertEqual(replica.end(), 0)
        finally:
            replica.close()


if __name__ == "__main__":
    unittest.main()
