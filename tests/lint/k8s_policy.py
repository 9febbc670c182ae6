"""The rules of a pod of ours, on rendered objects: who it runs as, how it is
probed, drained, updated, reached and measured."""
import re

import tomllib

import deploylib

UID = 10001
# After the drain: a checkpoint and some room.
ROOM_SECONDS = 20
STARTUP_SECONDS = 600
GPU = re.compile(r"^nvidia\.com/")
# Below the 256 KiB of the annotation in which kubectl apply keeps an object.
MAX_OBJECT_BYTES = 250_000
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
CLUSTER_WIDE = {"Namespace", "ClusterQueue", "ResourceFlavor"}
SHELLS = {"sh", "bash", "/bin/sh", "/bin/bash"}


def template(workload):
    return workload["spec"]["template"]


def pod(workload):
    return template(workload)["spec"]


def labels(workload):
    return template(workload)["metadata"]["labels"]


def selects(selector, found):
    return all(found.get(key) == value
               for key, value in (selector or {}).get("matchLabels", {}).items())


def of_kind(things, *kinds):
    return [thing for thing in things if thing["kind"] in kinds]


def servers(things):
    """The workloads that run the server, not those that call it."""
    return [one for one in of_kind(things, "Deployment", "StatefulSet")
            if labels(one).get("app.kubernetes.io/name") == "resnetd"]


# --- any pod ---

def identity(workload):
    """Who it runs as, and what it may do to its node."""
    spec, context = pod(workload), pod(workload).get("securityContext", {})
    wanted = {"runAsNonRoot": True, "runAsUser": UID, "runAsGroup": UID, "fsGroup": UID,
              "seccompProfile": {"type": "RuntimeDefault"}}
    for key, value in wanted.items():
        if context.get(key) != value:
            yield f"securityContext.{key} is not {value}"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is on"
    for box in spec["containers"] + spec.get("initContainers", []):
        context = box.get("securityContext", {})
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                  "capabilities": {"drop": ["ALL"]}}
        for key, value in wanted.items():
            if context.get(key) != value:
                yield f"container {box['name']}: securityContext.{key} is not {value}"
        if context.get("privileged"):
            yield f"container {box['name']} is privileged"
        if any("hostPort" in port for port in box.get("ports", [])):
            yield f"container {box['name']}: hostPort"


def resources(workload):
    spec = pod(workload)
    for box in spec["containers"]:
        asked, most = (box.get("resources", {}).get(key, {}) for key in ("requests", "limits"))
        for where, key, given in (("requests", "cpu", asked), ("requests", "memory", asked),
                                  ("limits", "memory", most)):
            if key not in given:
                yield f"container {box['name']}: no resources.{where}.{key}"
        if any(GPU.match(key) for key in asked):
            yield f"container {box['name']}: GPUs belong into limits only"
        gpus = [key for key in most if GPU.match(key)]
        if len(gpus) > 1:
            yield f"container {box['name']}: two kinds of GPU: {', '.join(gpus)}"
        tolerated = {one.get("key") for one in spec.get("tolerations", [])}
        if gpus and "nvidia.com/gpu" not in tolerated:
            yield "asks for a GPU and does not tolerate nvidia.com/gpu"


def volumes(workload):
    spec = pod(workload)
    made = {one["name"]: one for one in spec.get("volumes", [])}
    made |= {one["metadata"]["name"]: {"persistentVolumeClaim": {}}
             for one in workload["spec"].get("volumeClaimTemplates", [])}
    mounts = [mount for box in spec["containers"] for mount in box.get("volumeMounts", [])]
    for name in sorted({mount["name"] for mount in mounts} ^ set(made)):
        yield f"volume {name} is mounted but not there, or there but not mounted"
    for mount in mounts:
        volume = made.get(mount["name"], {})
        if {"configMap", "secret"} & volume.keys() and not mount.get("readOnly"):
            yield f"volume {mount['name']} is not mounted read-only"
    for name, volume in made.items():
        if "hostPath" in volume:
            yield f"volume {name} is a folder of the node"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"volume {name}: emptyDir without sizeLimit"
        if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o037:
            yield f"volume {name}: secrets that others may read"


def programs(workload, version):
    """Images by number; no shell, which the image need not have."""
    for box in pod(workload)["containers"]:
        _, _, tag = box["image"].partition(":")
        if re.fullmatch(rf"{re.escape(version)}-(cpu|train|cuda)(@sha256:[0-9a-f]{{64}})?",
                        tag) is None:
            yield f"image {box['image']} is no flavour of version {version}"
        if box.get("imagePullPolicy") != "IfNotPresent":
            yield f"container {box['name']}: imagePullPolicy"
        gpus = [key for key in box.get("resources", {}).get("limits", {}) if GPU.match(key)]
        if gpus and not tag.startswith(f"{version}-cuda"):
            yield f"image {box['image']} cannot use the GPU that it asks for"
        if SHELLS & set(box.get("command", [])[:1]):
            yield f"container {box['name']} wants a shell"
        if "exec" in str(box.get("lifecycle", "")) or \
                any("exec" in box.get(f"{kind}Probe", {})
                    for kind in ("startup", "readiness", "liveness")):
            yield f"container {box['name']}: a program is run for a probe or a hook"


# --- pods of the server ---

def settings(workload, things):
    """The server's TOML file, of the ConfigMap that is mounted."""
    names = [one["configMap"]["name"] for one in pod(workload).get("volumes", [])
             if "configMap" in one]
    texts = [thing["data"]["resnetd.toml"] for thing in of_kind(things, "ConfigMap")
             if thing["metadata"]["name"] in names and "resnetd.toml" in thing.get("data", {})]
    return tomllib.loads(texts[0]) if texts else None


def probes(box):
    paths = {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
    for kind, path in paths.items():
        probe = box.get(f"{kind}Probe", {})
        got = probe.get("httpGet", {})
        # The kubelet's gRPC probe speaks no TLS.
        if (got.get("path"), got.get("port")) != (path, "http"):
            yield f"{kind}Probe does not ask {path} of port http"
        if probe.get("timeoutSeconds", 1) < 2:
            yield f"{kind}Probe: timeoutSeconds is less than 2"
    startup = box.get("startupProbe", {})
    seconds = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
    if seconds < STARTUP_SECONDS:
        yield f"startupProbe gives up after {seconds} s, of {STARTUP_SECONDS} needed"


def configured(workload, things, flags):
    """Its settings, and what must agree with them."""
    box, config = pod(workload)["containers"][0], settings(workload, things)
    if config is None:
        yield "no ConfigMap with resnetd.toml is mounted"
        return
    given = {arg.removeprefix("--").partition("=")[0] for arg in box.get("args", [])}
    given |= {one["name"].removeprefix("RESNETD_").lower().replace("_", "-")
              for one in box.get("env", []) if one["name"].startswith("RESNETD_")}
    for key in sorted((config.keys() | given) - flags - {"config"}):
        yield f"the server has no setting '{key}'"
    ports = {port["name"]: port["containerPort"] for port in box.get("ports", [])}
    for name, key in (("grpc", "listen"), ("http", "http-listen")):
        if config.get(key) != f":{ports.get(name)}":
            yield f"port {name} is {ports.get(name)}, {key} is {config.get(key)}"
    if "train" in config.get("roles", "all").split(",") and \
            re.search(r"-cpu(@|$)", box["image"]):
        yield f"image {box['image']} has no LibTorch, and it trains"
    delay = config.get("drain-delay-ms", 0)
    # Who is behind a service must go on answering until nobody sends any more.
    if "train" not in config.get("roles", "all") and delay < 5000:
        yield f"drain-delay-ms is {delay}, less than 5000"
    drain = config.get("drain-grace-ms", 60_000)
    longest = config.get("max-deadline-ms", 60_000)
    # What was taken is answered; who trains alone takes nothing.
    if config.get("roles", "all") != "control,train":
        for key, given in (("drain-grace-ms", drain), ("max-connection-age-grace-ms",
                           config.get("max-connection-age-grace-ms", 30_000))):
            if given < longest:
                yield f"{key} is {given}, less than max-deadline-ms, {longest}"
    needed = (delay + drain) / 1000 + ROOM_SECONDS
    grace = pod(workload).get("terminationGracePeriodSeconds", 30)
    if grace < needed:
        yield f"terminationGracePeriodSeconds is {grace}, less than {needed:.0f}"
    data = config.get("data-dir")
    if data and data not in {mount["mountPath"] for mount in box["volumeMounts"]}:
        yield f"data-dir {data} is no volume"


def wire(workload):
    """In production: TLS, tokens, and no plaintext that settings would allow."""
    args = pod(workload)["containers"][0].get("args", [])
    given = {arg.removeprefix("--").partition("=")[0] for arg in args}
    for flag in sorted({"tls-cert", "tls-key", "tokens"} - given):
        yield f"no --{flag}"
    if "--insecure-plaintext=false" not in args:
        yield "plaintext is not taken back"


def wire_of_job(job, things):
    """In production: what calls a server brings an authority and a token, is shown no
    more of the secrets than that, and asks for files that are mounted."""
    box = pod(job)["containers"][0]
    given = dict(arg.removeprefix("--").partition("=")[::2] for arg in box.get("args", []))
    for flag in sorted({"ca", "token-file"} - given.keys()):
        yield f"no --{flag}"
    mounts = {one["mountPath"]: one["name"] for one in box.get("volumeMounts", [])}
    for flag in sorted({"ca", "token-file"} & given.keys()):
        if given[flag].rpartition("/")[0] not in mounts:
            yield f"--{flag} is in no volume"
    servers_secrets = {one["secret"]["secretName"] for server in servers(things)
                       for one in pod(server).get("volumes", []) if "secret" in one}
    for volume in pod(job).get("volumes", []):
        secret = volume.get("secret", {})
        items = {one["key"] for one in secret.get("items", [])}
        if secret.get("secretName") in servers_secrets and items != {"ca.crt"}:
            yield f"volume {volume['name']} has secrets of the servers"


def updates(workload, things):
    if workload["kind"] != "Deployment":
        if workload["spec"].get("replicas") != 1:
            yield "the owner of a store has one replica"
        return
    spec = workload["spec"]
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})
    found = (rolling.get("maxSurge"), rolling.get("maxUnavailable"))
    owns = "data-dir" in (settings(workload, things) or {})
    scaled = of_kind(things, "HorizontalPodAutoscaler", "ScaledObject")
    if owns:
        if spec.get("replicas", 1) != 1 or scaled:
            yield "a store has one owner, and this has replicas"
        if found != (0, 1):
            yield f"maxSurge, maxUnavailable are {found}: a surge would wait for the store"
    elif found != (1, 0):
        yield f"maxSurge, maxUnavailable are {found}, not (1, 0)"
    keys = {one["topologyKey"] for one in pod(workload).get("topologySpreadConstraints", [])}
    for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
        if key not in keys:
            yield f"is not spread over {key}"
