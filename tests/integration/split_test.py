"""One trainer and two replicas, as the Kubernetes overlay of that name runs them.

A job's version is promoted and reaches both replicas; whoever calls them never
notices, nor that the trainer is killed and comes back: five times by default, 1,000
with RESNETD_TEST_LONG=1.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import unittest

from harness import BESIDE_OTHERS, PATIENCE_SECONDS, SOURCE, Server
from rolling_restart_test import Load

sys.path.insert(0, str(SOURCE / "tools"))
import digit_files  # noqa: E402

# Enough to learn what a digit is.
EXAMPLES = 600
DEATHS = 1000 if os.environ.get("RESNETD_TEST_LONG") == "1" else 5
SEED = 20261122
# From a promotion to the last replica that serves it.
MOST_SECONDS = 5.0


class SplitTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, classes in (("old", "01234567"), ("new", "89")):
            digit_files.write(self.folder / name, classes, "training", EXAMPLES)

    def owner(self, port: int = 0) -> Server:
        return Server("--roles", "control,train", "--data-dir", self.folder / "data",
                      "--listen", f"127.0.0.1:{port}", *BESIDE_OTHERS)

    def must(self, server: Server, *words: object) -> dict:
        done = server.ctl(*words, "-o", "json")
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout.splitlines()[-1] if "--watch" in words else done.stdout)

    def moved(self, owner: Server, replicas: str, *words: object) -> float:
        """Moves an alias and waits for every replica; the seconds it took."""
        began = time.monotonic()
        told = self.must(owner, "models", *words, "--wait", "--replicas", replicas,
                         "--timeout", f"{PATIENCE_SECONDS:.0f}s")
        took = time.monotonic() - began
        self.assertEqual([one["version"] for one in told["replicas"]],
                         [told["alias"]["version"]] * 2)
        return took

    def first_version(self, owner: Server) -> None:
        done = owner.ctl("train", "start", "--data", self.folder / "old", "--model", "net",
                         "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", "60",
                         "--watch")
        self.assertEqual(done.returncode, 0, done.stderr)

    def replica(self, owner: Server) -> Server:
        replica = Server("--roles", "serve", "--registry", owner.address)
        if "follows the registry" not in replica.log():
            replica.wait_for_line("follows the registry")
        return replica

    def test_a_job_reaches_every_replica_and_no_call_is_lost(self) -> None:
        owner = self.owner()
        replicas: list[Server] = []
        try:
            self.first_version(owner)
            for _ in range(2):
                replicas.append(self.replica(owner))
            addresses = ",".join(replica.address for replica in replicas)
            with Load(addresses, "--model", "net", "--retry", "--rate", 50,
                      "--deadline", "20s") as load:
                done = owner.ctl("train", "start", "--data", self.folder / "new", "--model",
                                 "net", "--steps", "60", "--watch")
                self.assertEqual(done.returncode, 0, done.stderr)
                promoted = self.moved(owner, addresses, "promote", "net@2",
                                      "--allow-label-change", "--override-gate", "a test")

                # It is killed: nobody who classifies notices.
                owner.end(signal.SIGKILL)
                for replica in replicas:
                    replica.wait_for_line("cannot be followed")
                back = self.owner(owner.grpc_port)
                owner.close()
                owner = back
                rolled_back = self.moved(owner, addresses, "rollback", "net")
                figures = load.end()
            self.assertGreater(figures["answered"], 0)
            self.assertEqual(figures["answered"], figures["calls"], figures)
            self.assertEqual(figures["errors"], {})
            self.assertLess(promoted, MOST_SECONDS)
            print(f"both replicas follow after {promoted:.2f} s and, from a registry that was "
                  f"killed, {rolled_back:.2f} s; {figures['calls']} calls, all answered")
        finally:
            for server in (owner, *replicas):
                server.close()

    def test_however_often_the_trainer_dies_no_call_fails(self) -> None:
        print(f"seed {SEED}, {DEATHS} deaths")
        chance = random.Random(SEED)
        owner = self.owner()
        port = owner.grpc_port
        servers = [owner]
        try:
            self.first_version(owner)
            servers.append(self.replica(owner))
            self.must(owner, "train", "start", "--data", self.folder / "old", "--model",
                      "net", "--scratch", "cifar_resnet8", "--input-size", "8",
                      "--steps", "1000000")
            # Nothing is repeated: what fails is seen.
            with Load(servers[1].address, "--model", "net", "--rate", 20,
                      "--deadline", "20s") as load:
                for _ in range(DEATHS):
                    killer = threading.Timer(chance.uniform(0.05, 1.5),
                                             owner.process.send_signal, [signal.SIGKILL])
                    killer.start()
                    killer.join()
                    owner.end(signal.SIGKILL)
                    owner.close()
                    owner = self.owner(port)
                    servers[0] = owner
                job = self.must(owner, "train", "show", 2)["job"]["status"]
                figures = load.end()
            self.assertEqual(figures["answered"], figures["calls"], figures)
            self.assertEqual(figures["errors"], {})
            self.assertGreater(figures["answered"], 0)
            self.assertGreater(job["attempt"], 1)
            print(f"{figures['calls']} calls, all answered; the job is at step {job['step']} "
                  f"in attempt {job['attempt']}")
        finally:
            for server in servers:
                server.close()

    def test_whoever_waits_is_told_which_replica_does_not_follow(self) -> None:
        with self.owner() as owner:
            self.first_version(owner)
            # A server that knows nothing of it.
            with Server() as stranger:
                told = owner.ctl("models", "promote", "net@1", "--override-gate", "a test",
                                 "--wait", "--replicas", stranger.address, "--timeout", "1s",
                                 "-o", "json")
            self.assertEqual(told.returncode, 5, told.stderr)
            self.assertEqual(json.loads(told.stdout)["error"]["reason"], "REPLICAS_BEHIND")
            self.assertIn(stranger.address, told.stderr)


if __name__ == "__main__":
    unittest.main()
