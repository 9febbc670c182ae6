"""The overlay `production` as it is rendered, as local processes: with the arguments,
the settings and the secrets that its pods get."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import unittest
from typing import Any

from auth_test import new_token, write_secret
from certificates import Authority
from harness import BESIDE_OTHERS, RESNETCTL, SOURCE, Server, run
from prometheus import wait_for
from rolling_restart_test import free_ports

sys.path.insert(0, str(SOURCE / "tests" / "lint"))
import deploylib  # noqa: E402
import k8s_policy  # noqa: E402

sys.path.insert(0, str(SOURCE / "tools"))
import digit_files  # noqa: E402

SHARE = "/opt/resnetd/share/resnetd"
PICTURE = SOURCE / "demo" / "digit-3.png"
UNAVAILABLE, DENIED = 3, 7


class ProductionTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        cls.things, fault = deploylib.kustomized(SOURCE / deploylib.K8S
                                                 / "overlays" / "production")
        assert not fault, fault

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        authority = Authority(self.folder, "ca")
        certificate, key = authority.issue("server")
        self.ca = authority.certificate
        entries = []
        self.tokens = {}
        for name, role in (("replicas", "replica"), ("team", "classifier"),
                           ("runs", "trainer"), ("admin", "operator")):
            self.tokens[role], entry = new_token(self.folder, name, role)
            entries.append(entry)
        # Secret -> key -> the file that stands for it here.
        self.secrets = {
            "resnetd-tls": {"tls.crt": certificate, "tls.key": key, "ca.crt": self.ca},
            "resnetd-tokens": {"tokens": self.folder / "tokens.toml",
                               "replica": self.tokens["replica"]},
            "resnetd-run": {"token": self.tokens["trainer"]},
        }
        write_secret(self.folder / "tokens.toml", "\n".join(entries))

    def workload(self, kind: str) -> dict[str, Any]:
        return k8s_policy.of_kind(self.things, kind)[0]

    def places(self, workload: dict[str, Any]) -> dict[str, str]:
        """Path in the pod -> path here, of every file that is mounted."""
        spec, found = k8s_policy.pod(workload), {"/var/lib/resnetd": str(self.folder / "data"),
                                                 SHARE: str(SOURCE)}
        volumes = {one["name"]: one for one in spec["volumes"]}
        for mount in spec["containers"][0]["volumeMounts"]:
            volume = volumes.get(mount["name"], {})
            if "secret" in volume:
                shown = {item["key"] for item in volume["secret"].get("items", [])}
                for key, path in self.secrets[volume["secret"]["secretName"]].items():
                    if not shown or key in shown:
                        found[f"{mount['mountPath']}/{key}"] = str(path)
            if "configMap" in volume:
                text, = (thing["data"]["resnetd.toml"]
                         for thing in k8s_policy.of_kind(self.things, "ConfigMap")
                         if thing["metadata"]["name"] == volume["configMap"]["name"])
                for old, new in found.items():
                    text = text.replace(old, new)
                target = self.folder / f"{workload['kind']}.toml"
                target.write_text(text)
                found[f"{mount['mountPath']}/resnetd.toml"] = str(target)
        return found

    def words(self, workload: dict[str, Any]) -> list[str]:
        """Its arguments, with the paths of this machine."""
        places = self.places(workload)
        words = []
        for word in k8s_policy.pod(workload)["containers"][0]["args"]:
            for old, new in places.items():
                word = word.replace(old, new)
            self.assertNotIn("/etc/resnetd", word, "a file that nothing mounts")
            words.append(word)
        return words

    def start(self, kind: str, *flags: object) -> Server:
        return Server(*self.words(self.workload(kind)), *flags)

    def test_trainer_and_replica_speak_tls_and_know_who_calls(self) -> None:
        port, = free_ports(1)
        with self.start("StatefulSet", "--listen", f"127.0.0.1:{port}") as trainer, \
                self.start("Deployment", "--drain-delay-ms", 0, "--registry",
                           f"localhost:{port}") as replica:
            wait_for("the replica", lambda: replica.get("/readyz")[0] == 200)
            self.calls_are_judged(trainer, replica)
            # What a classifier may not, an operator may: with the trainer.
            promoted = trainer.ctl("models", "rollback", "digits", *self.as_("classifier"))
            self.assertEqual(promoted.returncode, DENIED, promoted.stderr)
            listed = trainer.ctl("models", "versions", "digits", *self.as_("operator"))
            self.assertEqual(listed.returncode, 0, listed.stderr)

    def test_a_run_of_kueue_speaks_tls_and_is_let_in(self) -> None:
        rendered = {name: things for name, things, _ in deploylib.rendered(SOURCE)}
        job, = k8s_policy.of_kind(rendered["production+kueue"], "Job")
        digit_files.write(self.folder / "pictures", "0123456789", "training", 20)
        with self.start("StatefulSet", *BESIDE_OTHERS) as trainer:
            words = [word.replace("=resnetd-trainer:8001", f"={trainer.address}")
                     .replace("=/data", f"={self.folder / 'pictures'}")
                     for word in self.words(job)]
            steps = ["--server-name", "localhost", "--steps", 5]
            ended = run(RESNETCTL, *words, *steps)
            if os.environ.get("RESNETD_TRAINS") == "1":
                self.assertEqual(ended.returncode, 0, ended.stderr)
            else:
                self.assertIn("libresnetd_torch.so", ended.stderr)
            # Without the token of its secret it is nobody.
            without = [word for word in words if not word.startswith("--token-file")]
            self.assertEqual(run(RESNETCTL, *without, *steps).returncode, DENIED)

    def as_(self, role: str) -> list[object]:
        return ["--ca", self.ca, "--server-name", "localhost", "--token-file",
                self.tokens[role]]

    def calls_are_judged(self, trainer: Server, replica: Server) -> None:
        done = replica.ctl("classify", PICTURE, *self.as_("classifier"))
        self.assertEqual(done.returncode, 0, done.stderr)
        without = replica.ctl("classify", PICTURE, "--ca", self.ca, "--server-name",
                              "localhost")
        self.assertEqual(without.returncode, DENIED, without.stderr)
        for server in (trainer, replica):
            plain = server.ctl("health")
            self.assertEqual(plain.returncode, UNAVAILABLE, plain.stderr)
            # For probes and scrapes, without either.
            self.assertEqual(server.get("/readyz")[0], 200)
            for token in self.tokens.values():
                self.assertNotIn(token.read_text().strip(), server.log())


if __name__ == "__main__":
    unittest.main()
