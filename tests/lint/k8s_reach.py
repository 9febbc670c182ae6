"""How the pods of a rendered overlay are reached, kept, scaled and measured: the
rules between objects."""
import json

from k8s_policy import (CLUSTER_WIDE, MAX_OBJECT_BYTES, labels, of_kind, pod, selects,
                        servers)

DNS = {("UDP", 53), ("TCP", 53)}


def _named(thing):
    return f"{thing['kind']}/{thing['metadata']['name']}"


def places(things):
    """Everything is in the one namespace, which lets no other pods in."""
    for thing in things:
        space = thing["metadata"].get("namespace")
        if thing["kind"] not in CLUSTER_WIDE and space != "resnetd":
            yield f"{_named(thing)}: namespace is {space}"
        if len(json.dumps(thing)) > MAX_OBJECT_BYTES:
            yield f"{_named(thing)}: too large for kubectl apply"
    for thing in of_kind(things, "Namespace"):
        if thing["metadata"].get("labels", {}).get(
                "pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{_named(thing)}: does not enforce restricted pods"
    for thing in of_kind(things, "ServiceAccount"):
        if thing.get("automountServiceAccountToken") is not False:
            yield f"{_named(thing)}: hands out its token"
    names = {one["metadata"]["name"] for one in of_kind(things, "ServiceAccount")}
    for workload in of_kind(things, "Deployment", "StatefulSet", "Job"):
        if pod(workload).get("serviceAccountName") not in names:
            yield f"{_named(workload)}: its service account is not there"


def services(things):
    """Each service finds pods and ports; the replicas have a headless one."""
    found = of_kind(things, "Service")
    for service in found:
        chosen = [one for one in servers(things)
                  if selects({"matchLabels": service["spec"]["selector"]}, labels(one))]
        if len(chosen) != 1:
            yield f"{_named(service)}: selects {len(chosen)} workloads, not 1"
        ports = {port["name"] for one in chosen
                 for port in pod(one)["containers"][0].get("ports", [])}
        for port in service["spec"]["ports"]:
            if port.get("targetPort") not in ports:
                yield f"{_named(service)}: no port {port.get('targetPort')}"
    for workload in servers(things):
        if not any(one["spec"].get("clusterIP") == "None"
                   and selects({"matchLabels": one["spec"]["selector"]}, labels(workload))
                   for one in found):
            yield f"{_named(workload)}: no headless service"


def budgets(things):
    found = of_kind(things, "PodDisruptionBudget")
    for budget in found:
        spec = budget["spec"]
        if spec.get("maxUnavailable") != 1 or "minAvailable" in spec:
            yield f"{_named(budget)}: not maxUnavailable 1"
    for workload in servers(things):
        if sum(selects(one["spec"]["selector"], labels(workload)) for one in found) != 1:
            yield f"{_named(workload)}: not exactly one PodDisruptionBudget"


def _egress(policy, rule, things):
    """Out: names, and pods of ours."""
    ports = {(port.get("protocol"), port.get("port")) for port in rule.get("ports", [])}
    for peer in rule.get("to", []):
        if "namespaceSelector" in peer and not ports <= DNS:
            yield f"{_named(policy)}: lets more out than names"
        if "ipBlock" in peer:
            yield f"{_named(policy)}: lets out to addresses"
        if "podSelector" in peer and not any(
                selects(peer["podSelector"], labels(one)) for one in servers(things)):
            yield f"{_named(policy)}: lets out to pods that are not there"


def networks(things):
    """Nothing in or out of a pod that no rule names."""
    policies = of_kind(things, "NetworkPolicy")
    for workload in of_kind(things, "Deployment", "StatefulSet", "Job"):
        covered = {kind for one in policies
                   if selects(one["spec"]["podSelector"], labels(workload))
                   for kind in one["spec"]["policyTypes"]}
        for kind in sorted({"Ingress", "Egress"} - covered):
            yield f"{_named(workload)}: no NetworkPolicy for {kind}"
    for policy in policies:
        for side, key in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(side) or []:
                if not rule.get(key) or not rule.get("ports"):
                    yield f"{_named(policy)}: {side} without '{key}' or ports"
                if any(not chosen for peer in rule.get(key, []) for chosen in peer.values()):
                    yield f"{_named(policy)}: {side} of everybody"
        for rule in policy["spec"].get("egress") or []:
            yield from _egress(policy, rule, things)


def scalers(things):
    """One autoscaler for a workload, which has no number of its own."""
    targets = []
    for scaler in of_kind(things, "HorizontalPodAutoscaler", "ScaledObject"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        targets.append(name)
        least = scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount"))
        if (least or 0) < 2:
            yield f"{_named(scaler)}: lets it go below 2"
        for workload in of_kind(things, "Deployment"):
            if workload["metadata"]["name"] == name and \
                    "replicas" in workload["spec"]:
                yield f"{_named(workload)}: has replicas beside an autoscaler"
        if name not in {one["metadata"]["name"] for one in of_kind(things, "Deployment")}:
            yield f"{_named(scaler)}: scales {name}, which is not there"
        for trigger in scaler["spec"].get("triggers", []):
            facts = trigger["metadata"]
            if facts.get("ignoreNullValues") != "false":
                yield f"{_named(scaler)}: scales down when Prometheus has no answer"
            if "metricName" in facts:
                yield f"{_named(scaler)}: KEDA has no metricName any more"
    for name in {one for one in targets if targets.count(one) > 1}:
        yield f"Deployment/{name}: two autoscalers"


def monitors(things, limit):
    for monitor in of_kind(things, "PodMonitor"):
        chosen = [one for one in servers(things)
                  if selects(monitor["spec"]["selector"], labels(one))]
        if len(chosen) != len(servers(things)):
            yield f"{_named(monitor)}: does not look at all servers"
        if monitor["spec"].get("sampleLimit") != limit:
            yield f"{_named(monitor)}: sampleLimit is not that of prometheus.yml, {limit}"
        for end in monitor["spec"]["podMetricsEndpoints"]:
            names = {port["name"] for one in chosen
                     for port in pod(one)["containers"][0]["ports"]}
            if end.get("port") not in names or end.get("path") != "/metrics":
                yield f"{_named(monitor)}: does not scrape /metrics of a port that is there"


RULES = (places, services, budgets, networks, scalers)
