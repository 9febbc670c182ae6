#!/usr/bin/env python3
"""Fails on configuration files that do not parse or do not agree.

JSON and YAML syntax (a key given twice counts), the presets against ./dev,
the compose file, the workflow, and the Dockerfile with the rules of an image:
known instructions, stages and files that exist, not root, a health check.
"""
import json
import re
import sys

import yaml

import lintlib

INSTRUCTIONS = {"FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY",
                "ENTRYPOINT", "VOLUME", "USER", "WORKDIR", "ARG", "ONBUILD",
                "STOPSIGNAL", "HEALTHCHECK", "SHELL"}
PORTS = {"8001", "8002"}
# NAME:TAG with a number in the tag, e.g. debian:12.11-slim, and what it was then.
NUMBERED = re.compile(r"[^@]+:[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?")


class StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML would keep the last."""


def _mapping(loader, node, deep=False):
    # Not what is merged in (<<), which keys beside it replace.
    keys = [loader.construct_object(key, deep=deep) for key, _ in node.value
            if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"key '{key}' twice, {node.start_mark}")
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _unique(pairs):
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"key '{key}' twice")
    return dict(pairs)


def parse(path):
    text = path.read_text()
    if path.suffix == ".json":
        return json.loads(text, object_pairs_hook=_unique)
    return yaml.load(text, StrictLoader)


def preset_complaints(root, name, presets):
    visible = [p["name"] for p in presets["configurePresets"]
               if not p.get("hidden")]
    for kind in ("buildPresets", "testPresets"):
        if [p["name"] for p in presets.get(kind, [])] != visible:
            yield f"{name}: {kind} are not those of configurePresets"
    if (root / "dev").exists():
        words = re.search(r"presets=\(([^)]*)\)", (root / "dev").read_text())
        if words[1].split() != visible:
            yield f"{name}: ./dev lists other presets: {words[1]}"


def compose_complaints(root, name, compose):
    for service, facts in compose.get("services", {}).items():
        if not {"image", "build"} & facts.keys():
            yield f"{name}: service {service} has neither image nor build"
        dockerfile = (facts.get("build") or {}).get("dockerfile")
        if dockerfile and not (root / dockerfile).exists():
            yield f"{name}: service {service}: no {dockerfile}"
        for port in facts.get("ports", []):
            if not re.search(r":(\d+)$", str(port)):
                yield f"{name}: service {service}: port '{port}'"
    if not compose.get("services"):
        yield f"{name}: has no services"


def workflow_complaints(root, name, workflow):
    # YAML 1.1 reads the key `on` as true.
    if not (workflow.keys() & {"on", True}):
        yield f"{name}: has no 'on'"
    for job, facts in workflow.get("jobs", {}).items():
        if "runs-on" not in facts:
            yield f"{name}: job {job} has no runs-on"
        for step in facts.get("steps", []):
            if ("run" in step) == ("uses" in step):
                yield f"{name}: job {job}: a step is either run or uses"
            script = re.match(r"(\./?[\w./-]+)", step.get("run", ""))
            if script and not (root / script[1]).exists():
                yield f"{name}: job {job} runs {script[1]}, which is missing"


def base_complaints(name, words):
    """Whatever is built upon has a number: its tag, and perhaps its digest."""
    arguments, stages = {}, {"scratch"}
    for word in words:
        if word[0] == "ARG" and "=" in word[1]:
            key, _, value = word[1].partition("=")
            arguments.setdefault(key, value)
        if word[0] != "FROM":
            continue
        image = re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], ""), word[1])
        if image not in stages and not NUMBERED.fullmatch(image):
            yield f"{name}: FROM {image}: no tag with a number"
        stages.add(word[-1])


def dockerfile_complaints(root, name, text):
    text = re.sub(r"^\s*#[^\n]*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    words = [line.split() for line in lines if line.strip()]
    # What a stage says, with what the stage that it is FROM said.
    stages, given = {}, {}
    for word in words:
        if word[0] not in INSTRUCTIONS:
            yield f"{name}: unknown instruction {word[0]}"
        if word[0] == "FROM":
            given = dict(stages.get(word[1], {}))
            if len(word) == 4 and word[2].upper() == "AS":
                stages[word[3]] = given
        given[word[0]] = word[1:]
        if word[0] != "COPY":
            continue
        source = re.match(r"--from=(.+)", word[1])
        if source and source[1] not in stages:
            yield f"{name}: COPY --from={source[1]}: no such stage before it"
        for file in [] if source else word[1:-1]:
            if not file.startswith("--") and not (root / file).exists():
                yield f"{name}: COPY {file}: does not exist"
    yield from base_complaints(name, words)
    if not words or words[0][0] not in ("FROM", "ARG"):
        yield f"{name}: does not begin with FROM"
    if given.get("USER", ["root"])[0].split(":")[0] in ("root", "0"):
        yield f"{name}: the last stage runs as root"
    for wanted in ("HEALTHCHECK", "ENTRYPOINT"):
        if wanted not in given:
            yield f"{name}: the last stage has no {wanted}"
    if not PORTS <= set(given.get("EXPOSE", [])):
        yield f"{name}: EXPOSE does not name {' and '.join(sorted(PORTS))}"


def complaints(root):
    for path in lintlib.our_files(root, ".json", ".yaml", ".yml"):
        name = lintlib.relative(root, path)
        try:
            content = parse(path)
        except (ValueError, yaml.YAMLError) as error:
            yield f"{name}: {' '.join(str(error).split())}"
            continue
        if name == "CMakePresets.json":
            yield from preset_complaints(root, name, content)
        elif "compose" in path.name:
            yield from compose_complaints(root, name, content)
        elif name.startswith(".github/workflows/"):
            yield from workflow_complaints(root, name, content)
    for path in lintlib.our_files(root, "Dockerfile"):
        yield from dockerfile_complaints(root, lintlib.relative(root, path),
                                         path.read_text())


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
