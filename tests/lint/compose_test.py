"""Faults put into the real docker-compose.yml, each of which must be found."""
import pathlib
import shutil
import unittest

import check_compose
from sampletree import SampleTreeTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = (check_compose.FILE, ".env", "CMakeLists.txt", "deploy/docker/Dockerfile",
          "README.md")


class ComposeTest(SampleTreeTest):

    def setUp(self):
        super().setUp()
        for name in COPIED:
            self.write(name, (ROOT / name).read_text())
        for folder in ("deploy/monitoring", "server/app"):
            shutil.copytree(ROOT / folder, self.root / folder)

    def assert_breaks(self, name, old, new, says):
        text = (ROOT / name).read_text()
        self.assertIn(old, text)
        self.write(name, text.replace(old, new))
        found = list(check_compose.complaints(self.root))
        self.write(name, text)
        self.assertTrue(any(says in one for one in found), (says, found))

    def test_ours_is_clean(self):
        self.assert_finds(check_compose)

    def test_takes_an_image_that_is_pinned_by_its_digest(self):
        text = (ROOT / check_compose.FILE).read_text()
        self.write(check_compose.FILE, text.replace(
            "grafana/grafana:12.1.1", f"grafana/grafana:12.1.1@sha256:{'0f' * 32}"))
        self.assert_finds(check_compose)

    def test_takes_a_base_that_is_pinned_by_its_digest(self):
        name = "deploy/docker/Dockerfile"
        self.write(name, (ROOT / name).read_text().replace(
            "DEBIAN=12.11-slim", f"DEBIAN=12.11-slim@sha256:{'0f' * 32}"))
        self.assert_finds(check_compose)

    def test_finds_what_docker_refuses(self):
        for old, new, says in [
                ("    profiles: [cpu]", "    profile: [cpu]", "'profile' does not match"),
                ("restart: unless-stopped", "restart: [x]", "is not of type 'string'"),
                ("capabilities: [gpu]", "capability: [gpu]", "services.server-gpu"),
                ("volumes:\n  data:", "volume:\n  data:", "'volume'")]:
            with self.subTest(says):
                self.assert_breaks(check_compose.FILE, old, new, says)

    def test_finds_what_is_not_as_promised(self):
        for old, new, says in [
                ("read_only: true", "read_only: false", "can be written to"),
                ("cap_drop:\n    - ALL", "cap_drop:\n    - KILL", "has capabilities"),
                ("no-new-privileges:true", "no-new-privileges:false", "may gain"),
                ("memory: 512m", "cpus: '1'", "grafana: its memory has no limit"),
                ("max-size: 10m", "max-file: '1'", "may fill the disk"),
                ("grafana/grafana:12.1.1", "grafana/grafana:latest", "has no number"),
                ("grafana/grafana:12.1.1", "grafana/grafana", "has no number"),
                ("grafana/grafana:12.1.1", "grafana/grafana:12.1.1@sha256:0", "has no number"),
                ("resnetd:0.1.0-cuda", "resnetd:0.2.0-cuda", "no flavour of 0.1.0"),
                ("target: runtime-cuda", "target: runtime-cpu", "builds runtime-cpu as"),
                ('"127.0.0.1:9090', '"0.0.0.0:9090', "open to other machines"),
                ("./deploy/monitoring/rules:", "./deploy/monitoring/rule:", "does not exist"),
                ("/etc/prometheus/rules:ro", "/etc/prometheus/rules", "can be written to"),
                ("- grafana:/var", "- grafan:/var", "no volume grafan"),
                ("--drain-delay-ms", "--drain-delay", "no setting 'drain-delay'"),
                ("stop_grace_period: 90s", "stop_grace_period: 80s", "is 80s, less than 81s"),
                ("  stop_grace_period: 90s\n", "", "is 10s, less than 81s"),
                ("RESNETD_DEVICE", "RESNETD_DEVISE", "no setting 'devise'"),
                ("--server=server:8001", "--server=server:8003", "listens on server:8003"),
                ("127.0.0.1:8002:8002", "127.0.0.1:8002:8004", "listens on server:8002"),
                ("127.0.0.1:9090:9090", "127.0.0.1:9090:9091", "on prometheus:9090"),
                ("/etc/grafana/dashboards:ro", "/etc/dashboards:ro", "is not mounted"),
                ("dashboards/serving.json", "dashboards/gone.json", "no home dashboard"),
                ("ORG_ROLE: Viewer", "ORG_ROLE: Admin", "may change things"),
                ('PREINSTALL_DISABLED: "true"', 'PREINSTALL_DISABLED: "false"',
                 "fetches plugins"),
                ("  server:\n    condition: service_healthy", "  server:\n"
                 "    condition: service_started", "loadgen: does not wait until server is"),
                ("    required: false", "    required: true",
                 "train-demo: cannot start in a profile without server-gpu"),
                ("profiles: [loadgen]", "profiles: [load]", "does not bring loadgen"),
                ("    profiles: [train-demo]\n", "", "whatever the profile")]:
            with self.subTest(says):
                self.assert_breaks(check_compose.FILE, old, new, says)

    def test_finds_other_files_that_do_not_agree(self):
        for name, old, new, says in [
                (".env", "COMPOSE_PROFILES=cpu", "COMPOSE_PROFILES=gpu", "not cpu"),
                ("README.md", "localhost:3000", "localhost:3001", "port 3001, which"),
                ("README.md", "Port 8002 is", "Port 8003 is", "port 8003, which"),
                ("README.md", "docker compose up -d --build\n",
                 "docker compose up -d --build\n" + "true\n" * 4, "in blocks of [6] lines"),
                ("README.md", "kubectl apply -k", "kubectl create -k", "in blocks of [] lines"),
                ("deploy/docker/Dockerfile", "EXPOSE 8001 8002", "EXPOSE 8001",
                 "EXPOSE is ['8001']"),
                ("README.md", "resnetd:0.1.0-cpu", "resnetd:0.2.0-cpu",
                 "README.md names an image of 0.2.0"),
                ("deploy/docker/Dockerfile", 'image.version="0.1.0"', 'image.version="0.2.0"',
                 "the label of the version is ['0.2.0']"),
                ("deploy/docker/Dockerfile", "image.version=", "image.release=",
                 "the label of the version is []"),
                ("deploy/docker/Dockerfile", "ARG DEBIAN=12.11-slim", "ARG DEBIAN=12-slim",
                 "not one release by its number"),
                ("deploy/docker/Dockerfile", "FROM scratch", "FROM busybox:1.37.0",
                 "neither a stage nor the release"),
                (".env", "RESNETD_FLAVOUR=cpu", "RESNETD_FLAVOUR=slim", "no flavour"),
                ("deploy/docker/Dockerfile", "AS runtime-cuda", "AS cuda", "has no stage"),
                ("deploy/monitoring/prometheus.yml", "server:8002", "serve:8002",
                 "listens on serve:8002"),
                ("CMakeLists.txt", "VERSION 0.1.0", "VERSION 0.1.1", "no flavour of 0.1.1")]:
            with self.subTest(says):
                self.assert_breaks(name, old, new, says)


if __name__ == "__main__":
    unittest.main()
