import unittest

import check_configs
from sampletree import SampleTreeTest

DOCKERFILE = """# comment
FROM debian:12-slim AS build
COPY dev /src/
RUN a && \\
    b
FROM debian:12-slim
COPY --from=build /out /opt
EXPOSE 8001 8002
USER 10001:10001
HEALTHCHECK CMD ["x"]
ENTRYPOINT ["y"]
"""


class ConfigsTest(SampleTreeTest):
    def test_accepts_what_parses_and_agrees(self):
        self.write("dev", "presets=(a b)\n")
        names = '[{"name": "a"}, {"name": "b"}]'
        self.write("CMakePresets.json", '{"configurePresets": [{"name": "x", '
                   '"hidden": true}, {"name": "a"}, {"name": "b"}], '
                   f'"buildPresets": {names}, "testPresets": {names}}}')
        self.write("docker-compose.yml", "services:\n  s:\n    image: i\n"
                   "    ports: ['8001:8001']\n")
        self.write(".github/workflows/ci.yml", "on: [push]\njobs:\n  a:\n"
                   "    runs-on: x\n    steps:\n      - run: ./dev test\n")
        self.write("deploy/docker/Dockerfile", DOCKERFILE)
        self.assert_finds(check_configs)

    def test_refuses_broken_json_and_keys_given_twice(self):
        self.write("a.json", "{")
        self.write("b.json", '{"a": 1, "a": 2}')
        self.write("c.yml", "a: 1\na: 2\n")
        self.write("d.yml", "a: [\n")
        self.assert_finds(check_configs, "a.json", "b.json: key 'a' twice",
                          "c.yml: key 'a' twice", "d.yml")

    def test_refuses_presets_that_differ(self):
        self.write("dev", "presets=(a)\n")
        self.write("CMakePresets.json", '{"configurePresets": [{"name": "a"}, '
                   '{"name": "b"}], "buildPresets": [{"name": "a"}], '
                   '"testPresets": [{"name": "a"}, {"name": "b"}]}')
        self.assert_finds(check_configs, "buildPresets are not those",
                          "./dev lists other presets")

    def test_refuses_services_and_steps_that_run_nothing(self):
        self.write("docker-compose.yml", "services:\n  s:\n    ports: [x]\n")
        self.write(".github/workflows/ci.yml", "on: [push]\njobs:\n  a:\n"
                   "    steps:\n      - name: x\n      - run: ./gone\n")
        self.assert_finds(check_configs, "neither image nor build", "port 'x'",
                          "no runs-on", "either run or uses", "runs ./gone")

    def test_a_stage_says_what_the_one_that_it_is_from_says(self):
        self.write("dev", "")
        self.write("deploy/docker/Dockerfile", DOCKERFILE.replace(
            "FROM debian:12-slim\nCOPY --from=build /out /opt\n",
            "FROM scratch AS base\n") + "FROM base\nCOPY --from=build /out /opt\n")
        self.assert_finds(check_configs)

    def test_what_is_merged_in_may_be_replaced(self):
        self.write("a.yml", "x: &x\n  a: 1\ny:\n  <<: *x\n  a: 2\n")
        self.assert_finds(check_configs)

    def test_refuses_each_fault_of_a_dockerfile(self):
        self.write("dev", "")
        for old, new, says in [
                ("RUN a", "RUM a", "unknown instruction RUM"),
                ("--from=build", "--from=bild", "no such stage"),
                ("COPY dev", "COPY dav", "COPY dav: does not exist"),
                ("USER 10001:10001\n", "", "runs as root"),
                ("USER 10001", "USER 0", "runs as root"),
                ("HEALTHCHECK", "LABEL", "no HEALTHCHECK"),
                ("8001 8002", "8001", "EXPOSE does not name")]:
            self.write("deploy/docker/Dockerfile", DOCKERFILE.replace(old, new))
            with self.subTest(says):
                self.assert_finds(check_configs, says)

    def test_what_is_built_upon_has_a_number(self):
        self.write("dev", "")
        digest = "sha256:" + "0123456789abcdef" * 4
        base = "FROM debian:12-slim AS build"
        for image in (f"debian:12.11-slim@{digest}", "quay.io:443/debian:12.11",
                      "debian:${RELEASE}"):
            self.write("deploy/docker/Dockerfile", "ARG RELEASE=12.11-slim\n"
                       + DOCKERFILE.replace(base, f"FROM {image} AS build"))
            with self.subTest(image):
                self.assert_finds(check_configs)
        for image in ("debian", "debian:latest", "debian:stable-slim", "quay.io:443/debian",
                      "debian:${RELEASE}", f"debian:12@{digest[:-1]}", "unknown-stage"):
            self.write("deploy/docker/Dockerfile",
                       DOCKERFILE.replace(base, f"FROM {image} AS build"))
            with self.subTest(image):
                self.assert_finds(check_configs, "no tag with a number")


if __name__ == "__main__":
    unittest.main()
