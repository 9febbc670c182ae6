#!/usr/bin/env python3
"""Gathers what Kubernetes objects and compose files may hold into one folder, for
tests/lint/check_deploy.py: types.json and compose-spec.json.

usage: deploy_schemas.py FOLDER MODULE...
   FOLDER   holds the package `kubernetes` of Python; the two files go there
   MODULE   folder of a Go module with custom resources or the compose schema
"""

from __future__ import annotations

import ast
import json
import pathlib
import re
import shutil
import sys
from typing import Any

import yaml

# Where modules keep their custom resources.
CRD_FOLDERS = ("example/prometheus-operator-crd", "config/crd/bases", "config/crd/standard",
               "config/components/crd/bases")
# Of the resources there, those that deploy/ may use.
KINDS = {"PodMonitor", "PrometheusRule", "ScaledObject", "GRPCRoute", "ClusterQueue",
         "LocalQueue", "ResourceFlavor"}
# Text for people.
PROSE = {"description", "example"}
CREATED = re.compile(r"'(/apis?/[^']+)', 'POST'.*?response_type='(\w+)'", re.DOTALL)
REQUIRED = re.compile(r"client_side_validation and (\w+) is None")


def class_tables(source: str) -> dict[str, Any]:
    """{"CLASS": {"jsonName": [type, required]}} of one generated file."""
    tables = {}
    required = set(REQUIRED.findall(source))
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        found = {target.id: ast.literal_eval(part.value) for part in node.body
                 if isinstance(part, ast.Assign)
                 for target in part.targets if isinstance(target, ast.Name)
                 and target.id in ("openapi_types", "attribute_map")}
        tables[node.name] = {found["attribute_map"][name]: [kind, name in required]
                             for name, kind in found["openapi_types"].items()}
    return tables


def kinds_of(source: str) -> dict[str, str]:
    """{"apps/v1 Deployment": "V1Deployment"} of one generated API."""
    kinds = {}
    for path, name in CREATED.findall(source):
        parts = path.split("/")
        group = "/".join(parts[2:4]) if parts[1] == "apis" else parts[2]
        kind = re.sub(r"^[A-Za-z]*?V\d+((alpha|beta)\d+)?", "", name)
        kinds[f"{group} {kind}"] = name
    return kinds


def reachable(wanted: list[str], tables: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in tables and name not in kept:
            kept[name] = tables[name]
            wanted += [word for kind, _ in tables[name].values()
                       for word in re.findall(r"\w+", kind)]
    return kept


def without_prose(node: Any, in_properties: bool = False) -> Any:
    if isinstance(node, dict):
        return {key: without_prose(value, key == "properties" and not in_properties)
                for key, value in node.items() if in_properties or key not in PROSE}
    if isinstance(node, list):
        return [without_prose(value) for value in node]
    return node


def custom_resources(module: pathlib.Path) -> dict[str, Any]:
    found = {}
    plurals = {f"{kind.lower()}s.yaml" for kind in KINDS}
    for folder in CRD_FOLDERS:
        for path in sorted((module / folder).glob("*.yaml")):
            if path.name.split("_")[-1] not in plurals:
                continue
            crd = yaml.load(path.read_text(), yaml.CSafeLoader)
            for version in crd["spec"]["versions"]:
                if version["served"]:
                    name = (f"{crd['spec']['group']}/{version['name']} "
                            f"{crd['spec']['names']['kind']}")
                    found[name] = without_prose(version["schema"]["openAPIV3Schema"])
    return found


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder, modules = pathlib.Path(sys.argv[1]), [pathlib.Path(m) for m in sys.argv[2:]]
    client = folder / "kubernetes" / "client"
    kinds: dict[str, str] = {}
    for path in sorted((client / "api").glob("*_v*_api.py")):
        kinds |= kinds_of(path.read_text())
    tables: dict[str, Any] = {}
    for path in sorted((client / "models").glob("*.py")):
        tables |= class_tables(path.read_text())
    custom: dict[str, Any] = {}
    for module in modules:
        custom |= custom_resources(module)
        schema = module / "schema" / "compose-spec.json"
        if schema.exists():
            # The module's files are read-only.
            shutil.copyfile(schema, folder / "compose-spec.json")
    missing = KINDS - {name.split()[1] for name in custom}
    if missing or not kinds or not (folder / "compose-spec.json").exists():
        print(f"not found: {sorted(missing)}", file=sys.stderr)
        return 1
    (folder / "types.json").write_text(json.dumps({
        "kinds": kinds, "classes": reachable(list(kinds.values()), tables),
        "custom": custom}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
