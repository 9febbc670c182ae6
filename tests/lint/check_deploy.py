#!/usr/bin/env python3
"""Fails on manifests of Kubernetes that a cluster would refuse, silently prune, or
run in another way than we promise.

Every overlay, and combinations of one with further components, is rendered by
kustomize, checked field by field against the types of the Kubernetes API and of
the custom resources, and held against the rules of k8s_policy.py and
k8s_reach.py. Metrics of autoscalers are those that the server exports; rules and
dashboards are those of deploy/monitoring. hadolint reads the Dockerfile, systemd
the unit.
"""
import json
import re
import subprocess
import sys

import yaml

import deploylib
import k8s_policy
import k8s_reach
import k8s_types
import lintlib
import metriclib
import systemd_unit

MONITORING = "deploy/monitoring"
DOCKERFILE = "deploy/docker/Dockerfile"


def workload_complaints(workload, things, facts):
    for rule in (k8s_policy.identity, k8s_policy.resources, k8s_policy.volumes):
        yield from rule(workload)
    yield from k8s_policy.programs(workload, facts["version"])
    if workload in k8s_policy.servers(things):
        yield from k8s_policy.probes(k8s_policy.pod(workload)["containers"][0])
        yield from k8s_policy.configured(workload, things, facts["flags"])
        yield from k8s_policy.updates(workload, things)


def metric_complaints(things, known, counters):
    """Expressions of autoscalers."""
    for thing in k8s_policy.of_kind(things, "ScaledObject"):
        for trigger in thing["spec"]["triggers"]:
            for text in metriclib.expression_complaints(trigger["metadata"]["query"], known,
                                                        counters):
                yield f"{deploylib.title(thing)}: {text}"


def overlay_complaints(things, facts):
    """What is wrong with the objects of one overlay."""
    faults = [f"{deploylib.title(thing)}: {text}" for thing in things
              for text in k8s_types.complaints(thing, deploylib.types())]
    yield from faults
    # The rules rely on what the types promise.
    if faults:
        return
    workloads = k8s_policy.of_kind(things, *k8s_policy.WORKLOADS)
    if not workloads:
        yield "runs nothing"
    for workload in workloads:
        for text in workload_complaints(workload, things, facts):
            yield f"{deploylib.title(workload)}: {text}"
    for rule in k8s_reach.RULES:
        yield from rule(things)
    yield from k8s_reach.monitors(things, facts["sample_limit"])
    yield from metric_complaints(things, facts["series"], facts["counters"])


def production_complaints(things):
    for service in k8s_policy.of_kind(things, "Service"):
        if any("h2c" in port.get("appProtocol", "") for port in service["spec"]["ports"]):
            yield f"{deploylib.title(service)}: has gateways speak plaintext to it"
    for server in k8s_policy.servers(things):
        for text in k8s_policy.wire(server):
            yield f"{deploylib.title(server)}: {text}"
    for job in k8s_policy.of_kind(things, "Job"):
        for text in k8s_policy.wire_of_job(job, things):
            yield f"{deploylib.title(job)}: {text}"


def adapter_complaints(root, facts):
    """The metric of the HPA is one that prometheus-adapter is told to make."""
    folder = root / deploylib.K8S / "components" / "hpa"
    if not folder.exists():
        return
    rules = yaml.safe_load((folder / "adapter-rules.yaml").read_text())["rules"]
    made = {rule["name"]["as"] for rule in rules}
    for rule in rules:
        # <<...>> is what the adapter fills in.
        query = re.sub(r"<<\.LabelMatchers>>", 'job="a"', rule["metricsQuery"])
        query = query.replace("<<.GroupBy>>", "instance")
        for text in metriclib.expression_complaints(query, facts["series"],
                                                    facts["counters"]):
            yield f"adapter-rules.yaml: {text}"
    for metric in yaml.safe_load((folder / "hpa.yaml").read_text())["spec"]["metrics"]:
        name = metric["pods"]["metric"]["name"]
        if name not in made:
            yield f"hpa.yaml: adapter-rules.yaml does not make {name}"


def monitoring_complaints(root):
    """The rules and dashboards of the cluster are those of everybody else."""
    folder = root / MONITORING
    if not (folder / "kustomization.yaml").exists():
        return
    done = subprocess.run([sys.executable, "-B", root / "tools" / "k8s_rules.py", "--check"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        yield done.stdout.strip() or done.stderr.strip()
    things, fault = deploylib.kustomized(folder)
    if fault:
        yield f"{MONITORING}: {fault}"
    shipped = {name: text for thing in k8s_policy.of_kind(things, "ConfigMap")
               for name, text in thing["data"].items()}
    own = {path.name: path.read_text() for path in folder.glob("grafana/dashboards/*.json")}
    for name in sorted(shipped.keys() ^ own.keys()):
        yield f"{MONITORING}: {name} is a dashboard here or in a ConfigMap, not both"
    for name in sorted(shipped.keys() & own.keys()):
        if json.loads(shipped[name]) != json.loads(own[name]):
            yield f"{MONITORING}: {name} differs from its ConfigMap"


def hadolint_complaints(root):
    if not (root / DOCKERFILE).exists():
        return
    done = subprocess.run(
        [deploylib.tool("hadolint"), "--format", "tty", "--no-color",
         *(f"--ignore={rule}" for rule in IGNORED), root / DOCKERFILE],
        capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        yield line.replace(f"{root}/", "")


# Versions of packages are those of the distribution's release.
IGNORED = ("DL3008",)


def facts_of(root):
    limit = yaml.safe_load((root / MONITORING / "prometheus.yml").read_text())
    return {"version": deploylib.version(root), "flags": deploylib.flags(root),
            "series": metriclib.series(root), "counters": metriclib.counters(root),
            "sample_limit": limit["scrape_configs"][0]["sample_limit"]}


def complaints(root):
    if not (root / deploylib.K8S).exists():
        return
    facts = facts_of(root)
    yield from systemd_unit.complaints(root, facts["flags"])
    try:
        if not deploylib.overlays(root):
            yield f"{deploylib.K8S}: no overlays"
        for name, things, fault in deploylib.rendered(root):
            if fault:
                yield f"{deploylib.K8S}: {name}: {fault}"
                continue
            for text in overlay_complaints(things, facts):
                yield f"{deploylib.K8S}: {name}: {text}"
            for text in production_complaints(things) if "production" in name else []:
                yield f"{deploylib.K8S}: {name}: {text}"
        yield from adapter_complaints(root, facts)
        yield from monitoring_complaints(root)
        yield from hadolint_complaints(root)
    except deploylib.Missing as missing:
        yield str(missing)


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
