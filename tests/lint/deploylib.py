"""What the checks of deploy/ share: the tools that ./dev setup brings, rendered
overlays, the flags of the server."""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

K8S = "deploy/k8s"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FLAG = re.compile(r'\bAdd(?:InRange|Switch)?\(\s*"([a-z0-9-]+)"')


def _tools_folder():
    """Where tools/dev.d/deploy_tools.sh puts them."""
    script = (REPOSITORY / "tools" / "dev.d" / "deploy_tools.sh").read_text()
    edition = re.search(r"deploy_edition=(\d+)", script)[1]
    home = os.environ.get("HOME") or REPOSITORY
    cache = os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    return pathlib.Path(cache) / "resnetd" / f"deploy-{edition}"


TOOLS = _tools_folder()
# Combinations that no overlay ships and a user may want.
VARIANTS = {
    "production+gpu": ("production", ["gpu"]),
    "production+mig": ("production", ["gpu", "mig"]),
    "production+gateway": ("production", ["gateway"]),
    "production+kueue": ("production", ["kueue", "kueue-tls"]),
    "production+gpu+kueue": ("production", ["gpu", "kueue", "kueue-tls"]),
    "split+kueue": ("split", ["kueue"]),
    "split+hpa": ("split", ["hpa"]),
    "single-gpu+mig": ("single-gpu", ["mig"]),
}


class Missing(Exception):
    """A tool is not installed."""

    def __init__(self, name):
        super().__init__(f"{name} is missing; ./dev setup brings it")


def tool(name):
    """The program of ./dev setup, else the one on PATH."""
    own = TOOLS / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise Missing(name)
    return found


@functools.cache
def types():
    """Kinds, classes and custom resources; see tools/deploy_schemas.py."""
    path = TOOLS / "types.json"
    if not path.exists():
        raise Missing("types.json (what Kubernetes objects may hold)")
    return json.loads(path.read_text())


def kustomized(folder):
    """(objects, "") of a folder with a kustomization, or ([], why not)."""
    done = subprocess.run([tool("kustomize"), "build", str(folder)], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        return [], done.stderr.strip().splitlines()[-1]
    # What it only warns of, e.g. a field that is going to be dropped, is a fault too.
    if done.stderr.strip():
        return [], done.stderr.strip().splitlines()[0]
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader)), ""


def overlays(root):
    return sorted(path.parent.name
                  for path in (root / K8S / "overlays").glob("*/kustomization.yaml"))


def rendered(root):
    """(name, objects, fault) of each overlay and each variant of one."""
    for name in overlays(root):
        yield (name, *kustomized(root / K8S / "overlays" / name))
    for name, (overlay, components) in VARIANTS.items():
        parts = [root / K8S / "components" / part for part in components]
        if (root / K8S / "overlays" / overlay).exists() and all(p.exists() for p in parts):
            # Inside of the tree, as kustomize wants relative paths.
            with tempfile.TemporaryDirectory(dir=root / K8S) as folder:
                (pathlib.Path(folder) / "kustomization.yaml").write_text(json.dumps({
                    "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                    "namespace": "resnetd", "resources": [f"../overlays/{overlay}"],
                    "components": [f"../components/{part}" for part in components]}))
                yield (name, *kustomized(folder))


def flags(root):
    """The names of the server's flags."""
    return {name for path in sorted((root / "server" / "app").glob("*.cc"))
            for name in FLAG.findall(path.read_text())}


def version(root):
    """Of the project, as CMakeLists.txt has it."""
    match = re.search(r"project\(resnetd VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text())
    return match[1]


def title(thing):
    return f"{thing.get('kind')}/{thing.get('metadata', {}).get('name')}"
