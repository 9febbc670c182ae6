#!/usr/bin/env python3
"""Fails on a docker-compose.yml that Docker would refuse, or that starts something
else than we promise.

The schema of the compose specification (brought by ./dev setup), images by number,
ports on this machine only, no privileges, limits, health checks, volumes and files
that exist, flags that the server has, metrics' addresses that agree with
prometheus.yml, Grafana's data source and documents, the versions of our own images.
"""
import json
import re
import sys

import jsonschema
import yaml

import deploylib
import lintlib

FILE = "docker-compose.yml"
MONITORING = "deploy/monitoring"
DOCKERFILE = "deploy/docker/Dockerfile"
# To save where a job is, and to end, beside the drain.
ROOM_SECONDS = 20
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
# Profile -> what it must bring beside what has none.
PROFILES = {"cpu": "server", "gpu": "server-gpu", "loadgen": "loadgen",
            "train-demo": "train-demo"}
ALWAYS = {"prometheus", "grafana"}
DOCUMENTS = ("README.md", "docs/operations.md", "docs/kubernetes.md")
FLAVOURS = {"cpu", "train", "cuda"}
# Of README.md, for each way to run it elsewhere.
MOST_LINES = 5


def environment(root):
    """What .env sets, which docker compose reads."""
    path = root / ".env"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


def substituted(text, variables):
    return VARIABLE.sub(lambda match: variables.get(match[1], match[2] or ""), text)


def schema_complaints(compose):
    path = deploylib.TOOLS / "compose-spec.json"
    if not path.exists():
        raise deploylib.Missing("compose-spec.json (what compose files may hold)")
    checker = jsonschema.Draft7Validator(json.loads(path.read_text()))
    for error in sorted(checker.iter_errors(compose), key=str):
        where = ".".join(map(str, error.absolute_path))
        yield f"{where}: {jsonschema.exceptions.best_match([error]).message}"


def hardening(service):
    if service.get("read_only") is not True:
        yield "its root can be written to"
    if service.get("cap_drop") != ["ALL"] or service.get("privileged"):
        yield "it has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it may gain privileges"
    if not service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"):
        yield "its memory has no limit"
    if "max-size" not in service.get("logging", {}).get("options", {}):
        yield "its log may fill the disk"
    if not service.get("healthcheck"):
        yield "no healthcheck, nor one that is disabled on purpose"


def image_complaints(root, service, version):
    # The digest says which image that was: docs/operations.md.
    name, _, tag = re.sub(r"@sha256:[0-9a-f]{64}$", "", service.get("image", "")).rpartition(":")
    if not re.fullmatch(r"v?\d+\.\d+\.\d+[\w.-]*", tag):
        yield f"image {service.get('image')} has no number"
    if name == "resnetd":
        flavour = tag.removeprefix(f"{version}-")
        if flavour not in FLAVOURS:
            yield f"image {service['image']} is no flavour of {version}"
        build = service.get("build", {})
        if build.get("target") != f"runtime-{flavour}":
            yield f"builds {build.get('target')} as {service['image']}"
        path = root / build.get("dockerfile", "Dockerfile")
        if not path.exists():
            yield f"no {build.get('dockerfile')}"
        elif f"AS {build.get('target')}\n" not in path.read_text():
            yield f"{build['dockerfile']} has no stage {build.get('target')}"


def outside_complaints(root, service, volumes):
    """Ports and files of this machine."""
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"port {port} is open to other machines"
    for mount in service.get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            if not (root / source).exists():
                yield f"{source} does not exist"
            if not rest.endswith(":ro"):
                yield f"{source} can be written to"
        elif source not in volumes:
            yield f"no volume {source}"


def flag_complaints(service, flags):
    """Of services that run the server, not the client."""
    if not service["image"].startswith("resnetd:") or "entrypoint" in service:
        return
    given = {word.removeprefix("--").partition("=")[0] for word in service["command"]}
    given |= {name.removeprefix("RESNETD_").lower().replace("_", "-")
              for name in service.get("environment", {}) if name.startswith("RESNETD_")}
    for name in sorted(given - flags):
        yield f"the server has no setting '{name}'"
    yield from grace_complaints(service)


def grace_complaints(service):
    """A server that is told to stop has the time to answer what it has taken."""
    said = dict(word.removeprefix("--").partition("=")[::2] for word in service["command"])
    needed = ROOM_SECONDS + (int(said.get("drain-delay-ms", 0))
                             + int(said.get("drain-grace-ms", 60_000))) / 1000
    given = str(service.get("stop_grace_period", "10s"))
    if not given.endswith("s") or float(given.removesuffix("s")) < needed:
        yield f"stop_grace_period is {given}, less than {needed:.0f}s"


def caller_complaints(name, service, services):
    """A client begins when the server answers, whichever the profile has."""
    if service.get("entrypoint") != ["resnetctl"]:
        return
    waited = service.get("depends_on")
    waited = waited if isinstance(waited, dict) else {}
    for server, facts in services.items():
        if not facts["image"].startswith("resnetd:") or "entrypoint" in facts:
            continue
        if waited.get(server, {}).get("condition") != "service_healthy":
            yield f"{name}: does not wait until {server} is healthy"
        elif waited[server].get("required") is not False:
            yield f"{name}: cannot start in a profile without {server}"


def names_of(services):
    """What a service is reached by -> the ports that are published for it."""
    return {name: facts for service, facts in services.items()
            for name in [service, *(facts.get("networks", {}) or {}).get(
                "default", {}).get("aliases", [])]}


def address_complaints(root, services):
    """Who looks at whom: Prometheus at the server, Grafana at Prometheus."""
    folder, known = root / MONITORING, names_of(services)
    scrape = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    addresses = [target for job in scrape for group in job["static_configs"]
                 for target in group["targets"]]
    for path in sorted(folder.glob("grafana/provisioning/datasources/*.yml")):
        for source in yaml.safe_load(path.read_text())["datasources"]:
            addresses.append(source["url"].removeprefix("http://"))
    for name, facts in services.items():
        addresses += [word.removeprefix("--server=") for word in facts.get("command", [])
                      if word.startswith("--server=")]
    for address in addresses:
        host, _, port = address.partition(":")
        ports = [str(one).rpartition(":")[2] for one in known.get(host, {}).get("ports", [])]
        if port not in ports:
            yield f"nothing here listens on {address}"
    for path in sorted(folder.glob("grafana/provisioning/dashboards/*.yml")):
        for provider in yaml.safe_load(path.read_text())["providers"]:
            target = provider["options"]["path"]
            mounts = services.get("grafana", {}).get("volumes", [])
            if not any(mount.split(":")[1] == target for mount in mounts):
                yield f"grafana: {path.name} looks into {target}, which is not mounted"


def document_complaints(root, services, version):
    """Addresses that documents send people to are published by compose, and images that
    they name are of this version."""
    published = {str(port).split(":")[1] for facts in services.values()
                 for port in facts.get("ports", [])}
    for name in DOCUMENTS:
        path = root / name
        text = path.read_text() if path.exists() else ""
        for port in re.findall(r"(?:localhost:|\b[Pp]ort )(\d{4,})", text):
            if port not in published:
                yield f"{name} sends people to port {port}, which nothing publishes"
        for number in sorted(set(re.findall(r"\bresnetd:(\d[\w.]*)-", text)) - {version}):
            yield f"{name} names an image of {number}; this is {version}"


def readme_complaints(root):
    """Server and monitoring, or a server in a cluster, take a few lines each."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (root / "README.md").read_text(),
                        re.MULTILINE | re.DOTALL)
    for command in ("docker compose up", "kubectl apply"):
        lengths = [len(block.splitlines()) for block in blocks if command in block]
        if len(lengths) != 1 or lengths[0] > MOST_LINES:
            yield f"README.md: `{command}` is in blocks of {lengths} lines, not in one of at " \
                  f"most {MOST_LINES}"


def dockerfile_complaints(root, services, version):
    """What the images are made from, and say of themselves."""
    path = root / DOCKERFILE
    inside = {str(port).rpartition(":")[2] for facts in services.values()
              if facts["image"].startswith("resnetd:") for port in facts.get("ports", [])}
    text = path.read_text() if path.exists() else ""
    found = re.findall(r'image\.version="([^"]*)"', text)
    if found != [version]:
        yield f"{DOCKERFILE}: the label of the version is {found}, not {version}"
    exposed = re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE)
    if [set(ports.split()) for ports in exposed] != [inside]:
        yield f"{DOCKERFILE}: EXPOSE is {exposed}; compose publishes {sorted(inside)}"
    base = re.findall(r"^ARG DEBIAN=(.*)$", text, re.MULTILINE)
    if len(base) != 1 or not re.fullmatch(r"\d+\.\d+-slim(@sha256:[0-9a-f]{64})?", base[0]):
        yield f"{DOCKERFILE}: DEBIAN is {base}, not one release by its number"
    stages = set(re.findall(r"^FROM .* AS ([\w-]+)$", text, re.MULTILINE))
    for source in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        if source not in stages | {"scratch", "debian:${DEBIAN}"}:
            yield f"{DOCKERFILE}: FROM {source}, which is neither a stage nor the release"


def home_complaints(root, services):
    """The dashboard that Grafana opens with is one of those that it has."""
    settings = services.get("grafana", {}).get("environment", {})
    home = settings.get("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", "")
    if not (root / MONITORING / "grafana/dashboards" / home.rpartition("/")[2]).is_file():
        yield f"grafana: there is no home dashboard '{home}'"
    if settings.get("GF_AUTH_ANONYMOUS_ORG_ROLE") != "Viewer" or \
            settings.get("GF_AUTH_ANONYMOUS_ENABLED") != "true":
        yield "grafana: who looks must log in, or may change things"
    if settings.get("GF_PLUGINS_PREINSTALL_DISABLED") != "true":
        yield "grafana: fetches plugins when it starts"


def profile_complaints(services, chosen):
    always = {name for name, facts in services.items() if not facts.get("profiles")}
    if always != ALWAYS:
        yield f"starts {', '.join(sorted(always))} whatever the profile"
    for profile, service in PROFILES.items():
        if services.get(service, {}).get("profiles") != [profile]:
            yield f"profile {profile} does not bring {service}"
    if chosen != "cpu":
        yield f".env: COMPOSE_PROFILES is '{chosen}', not cpu"


def complaints(root):
    path = root / FILE
    if not path.exists() or not (root / MONITORING).exists():
        return
    variables = environment(root)
    compose = yaml.safe_load(substituted(path.read_text(), variables))
    # What only serves to be merged in.
    compose = {key: value for key, value in compose.items() if not key.startswith("x-")}
    try:
        faults = [f"{FILE}: {text}" for text in schema_complaints(compose)]
    except deploylib.Missing as missing:
        faults = [str(missing)]
    yield from faults
    if faults:
        return
    services, version = compose["services"], deploylib.version(root)
    flags = deploylib.flags(root)
    for name, service in services.items():
        for text in [*hardening(service), *image_complaints(root, service, version),
                     *outside_complaints(root, service, compose.get("volumes", {})),
                     *flag_complaints(service, flags)]:
            yield f"{FILE}: {name}: {text}"
        for text in caller_complaints(name, service, services):
            yield f"{FILE}: {text}"
    for text in [*address_complaints(root, services), *home_complaints(root, services),
                 *document_complaints(root, services, version),
                 *dockerfile_complaints(root, services, version),
                 *readme_complaints(root),
                 *profile_complaints(services, variables.get("COMPOSE_PROFILES"))]:
        yield f"{FILE}: {text}"


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
