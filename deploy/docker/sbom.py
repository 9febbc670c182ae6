"""What is in the root folder of an image, as an SPDX 2.3 document, and the licences
of it: of the distribution's packages by dpkg, of LibTorch by its wheels."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import Any

DOCUMENT = "usr/share/doc/resnetd/sbom.spdx.json"
NAMESPACE = "https://github.com/resnetd/resnetd/sbom"


def _said(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout


def packages_of(libraries: list[pathlib.Path]) -> dict[pathlib.Path, str]:
    """The packages of the distribution that own files; those of none are left out."""
    # dpkg knows a file by the path that its package has, with or without /usr.
    asked = {name: library for library in libraries
             for path in {str(library), str(library.resolve())}
             for name in (path, path.removeprefix("/usr"))}
    said = _said("dpkg-query", "-S", *asked)
    found = re.findall(r"^([a-z0-9.+-]+)(?::\w+)?: (\S+)$", said, re.MULTILINE)
    return {asked[name]: package for package, name in found if name in asked}


def _facts(package: str) -> tuple[str, str, str]:
    """Version, source package, home page."""
    wanted = "${Version}\t${source:Package}\t${Homepage}\n"
    version, source, home = _said("dpkg-query", "-W", "-f", wanted,
                                  package).splitlines()[0].split("\t")
    return version, source, home


def _entry(name: str, version: str, **more: Any) -> dict[str, Any]:
    ident = re.sub(r"[^A-Za-z0-9.-]", "-", name)
    return {"name": name, "SPDXID": f"SPDXRef-Package-{ident}", "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION", **more}


def _debian(package: str) -> dict[str, Any]:
    version, source, home = _facts(package)
    release = dict(line.split("=", 1) for line in
                   pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    system = release.get("ID", "debian").strip('"')
    purl = f"pkg:deb/{system}/{package}@{version}"
    return _entry(package, version, homepage=home or "NOASSERTION",
                  sourceInfo=f"built from the source package {source}",
                  externalRefs=[{"referenceCategory": "PACKAGE-MANAGER",
                                 "referenceType": "purl", "referenceLocator": purl}])


def _is_in(root: pathlib.Path, record: pathlib.Path) -> bool:
    """Whether some library of a wheel, as its list of files has it, is in the image."""
    names = (line.split(",")[0] for line in record.read_text().splitlines())
    return any((root / "opt/resnetd/lib" / name).exists() for name in names
               if ".so" in name)


def _wheels(root: pathlib.Path, source: pathlib.Path) -> list[dict[str, Any]]:
    """Of the wheels that LibTorch is of, when it is in the image."""
    if not list((root / "opt/resnetd/lib").rglob("libtorch_cpu.so")):
        return []
    found = []
    named = os.environ.get("LIBTORCH_ROOT", str(source / ".deps" / "torch"))
    for folder in (pathlib.Path(named), pathlib.Path(named).parent):
        for info in sorted(folder.glob("*.dist-info")):
            name, version = info.name.removesuffix(".dist-info").rsplit("-", 1)
            if _is_in(root, info / "RECORD"):
                purl = f"pkg:pypi/{name.replace('_', '-')}@{version}"
                found.append(_entry(name, version, externalRefs=[
                    {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                     "referenceLocator": purl}]))
    return found


def write(root: pathlib.Path, libraries: set[pathlib.Path],
          archives: set[pathlib.Path], source: pathlib.Path) -> None:
    """Licences and the document: of shared libraries, and of those whose archives are
    in the programs. One that no package owns is named as a file."""
    libraries = libraries | archives
    owners = packages_of(sorted(libraries))
    packages = set(owners.values())
    unowned = sorted(libraries - owners.keys())
    for package in sorted(packages):
        notice = pathlib.Path("/usr/share/doc") / package / "copyright"
        if notice.exists():
            target = root / "usr/share/doc" / package / "copyright"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notice, target)
    version = re.search(r"project\(resnetd VERSION ([\d.]+)",
                        (source / "CMakeLists.txt").read_text())[1]
    own = _entry("resnetd", version, licenseDeclared="Apache-2.0",
                 licenseConcluded="Apache-2.0")
    entries = [own, *map(_debian, sorted(packages)), *_wheels(root, source)]
    entries += [_entry(library.name, "NOASSERTION", checksums=[
        {"algorithm": "SHA256",
         "checksumValue": hashlib.sha256(library.read_bytes()).hexdigest()}])
        for library in unowned]
    target = root / DOCUMENT
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "LICENSE", target.parent / "LICENSE")
    target.write_text(json.dumps(_document(version, entries), indent=1))


def _document(version: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    # The same input gives the same document: the day of a release, if it is given.
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    day = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    digest = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                  "relatedSpdxElement": entries[0]["SPDXID"]}]
    relations += [{"spdxElementId": entries[0]["SPDXID"], "relationshipType": "DEPENDS_ON",
                   "relatedSpdxElement": entry["SPDXID"]} for entry in entries[1:]]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"resnetd-{version}", "documentNamespace": f"{NAMESPACE}/{digest}",
            "creationInfo": {"created": day.strftime("%Y-%m-%dT%H:%M:%SZ"),
                             "creators": ["Tool: deploy/docker/sbom.py"]},
            "packages": entries, "relationships": relations}
