"""The systemd unit of the package: what it promises, and what systemd itself says of
it where it is installed."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import tomllib

UNIT = "deploy/systemd/resnetd.service"
SETTINGS = "deploy/systemd/resnetd.toml"
# Of systemd-analyze security: tenths of "exposure", 100 is everything.
MOST_EXPOSED = 20
PROMISED = {"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
            "ProtectHome": "yes", "PrivateTmp": "yes", "CapabilityBoundingSet": "",
            "StateDirectory": "resnetd", "RestrictNamespaces": "yes",
            "SystemCallFilter": "@system-service", "SystemCallArchitectures": "native"}


def _values(text):
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def _said(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def _systemd(text):
    """What systemd-analyze finds; nothing where there is none, as in a container."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "resnetd.service"
        # It looks whether the program is there.
        unit.write_text(text.replace("/usr/bin/resnetd", "/bin/true"))
        code, said = _said(tool, "verify", "--man=no", unit)
        if code or "resnetd.service" in said:
            yield f"systemd-analyze verify: {said}"
        code, said = _said(tool, "security", "--offline=true", f"--threshold={MOST_EXPOSED}",
                           "--no-pager", unit)
        if code:
            yield f"systemd-analyze security: {said.splitlines()[-1]}"


def complaints(root, flags):
    path = root / UNIT
    if not path.exists():
        return
    values = _values(path.read_text())
    for key, value in PROMISED.items():
        if values.get(key) != value:
            yield f"{UNIT}: {key} is not '{value}'"
    settings = tomllib.loads((root / SETTINGS).read_text())
    for key in sorted(settings.keys() - flags):
        yield f"{SETTINGS}: the server has no setting '{key}'"
    if settings.get("data-dir") != f"/var/lib/{values.get('StateDirectory')}":
        yield f"{SETTINGS}: data-dir is not the unit's StateDirectory"
    drain = settings.get("drain-delay-ms", 0) + settings.get("drain-grace-ms", 60_000)
    if int(values.get("TimeoutStopSec", "0")) < drain / 1000 + 20:
        yield f"{UNIT}: TimeoutStopSec is too short for the drain"
    for text in _systemd(path.read_text()):
        yield f"{UNIT}: {text}"
