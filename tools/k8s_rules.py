#!/usr/bin/env python3
"""Writes deploy/monitoring/prometheusrule.yaml: the alert rules of
deploy/monitoring/rules as the object that the Prometheus operator reads.

usage: k8s_rules.py [--check]
   --check   writes nothing; fails when the file is not what it would write
"""

from __future__ import annotations

import pathlib
import sys

import yaml

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "deploy" / "monitoring"
TARGET = "prometheusrule.yaml"
HEAD = "# Made by tools/k8s_rules.py of rules/*.yml; change those.\n"


class Dumper(yaml.SafeDumper):
    """Expressions of several lines as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, _text)


def groups(folder: pathlib.Path) -> list[object]:
    """Of all rule files, in the order of their names."""
    return [group for path in sorted((folder / "rules").glob("*.yml"))
            for group in yaml.safe_load(path.read_text())["groups"]]


def text(folder: pathlib.Path) -> str:
    return HEAD + yaml.dump({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "resnetd", "labels": {"app.kubernetes.io/name": "resnetd"}},
        "spec": {"groups": groups(folder)},
    }, Dumper=Dumper, sort_keys=False, width=10_000)


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    target = FOLDER / TARGET
    if not sys.argv[1:]:
        target.write_text(text(FOLDER))
        return 0
    if target.exists() and target.read_text() == text(FOLDER):
        return 0
    print(f"{target} is not what tools/k8s_rules.py writes: run it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
