#!/usr/bin/env python3
"""Fails when a module uses what it must not.

Three rules: a module includes only the modules below it; each big third-party
library is included by its one module; the libraries that CMake links to a
module are the ones it may include.
"""
import re
import sys

import lintlib

# The map of ARCHITECTURE.md, lowest first. Modules of one set are siblings
# that never see each other.
LAYERS = [
    {"base"},
    {"image", "telemetry", "store"},
    {"models"},
    {"serving", "finetune"},
    {"engine", "nn", "rpc"},
    {"app"},
]
MODULES = {name: level for level, names in enumerate(LAYERS) for name in names}
# The client speaks to a server by the protos alone.
CLIENT_MAY_USE = {"base"}
# A test may use its module and what that module may use; a suite of tests/
# that is not of one module may use everything.

# Include prefix -> the modules that may name it ("client" is the folder).
# Tests of those modules may too, and TESTS_MAY_TOO everywhere.
DOORS = {
    "prometheus/": {"telemetry"},
    "civetweb": {"telemetry"}, "CivetServer": {"telemetry"},
    "opencv2/": {"image"}, "jpeglib.h": {"image"}, "jerror.h": {"image"},
    "turbojpeg.h": {"image"}, "png.h": {"image"}, "webp/": {"image"},
    "oneapi/": {"engine"}, "dnnl": {"engine"},
    "torch/": {"nn"}, "ATen/": {"nn"}, "c10/": {"nn"},
    "grpcpp/": {"rpc", "client"}, "grpc/": {"rpc", "client"},
    "grpc++/": {"rpc", "client"},
    "google/protobuf/": {"rpc", "client"},
    "google/rpc/": {"rpc", "client"}, "resnetd/v1/": {"rpc", "client"},
    "sqlite3": {"store"},
    "archive.h": {"client"}, "archive_entry.h": {"client"},
    "openssl/": {"base"}, "spdlog/": {"base"}, "fmt/": {"base"},
    "CLI/": {"app", "client"}, "toml++/": {"app"},
    "nlohmann/": {"models", "finetune", "app", "client", "engine", "rpc"},
}
TESTS_MAY_TOO = {"nlohmann/"}

# CMake target prefix -> the modules that may link it.
TARGET_DOORS = {
    "prometheus-cpp::": {"telemetry"}, "civetweb::": {"telemetry"},
    "opencv_": {"image"}, "JPEG::": {"image"}, "PNG::": {"image"},
    "PkgConfig::WEBP": {"image"},
    "dnnl": {"engine"},
    "torch": {"nn"}, "LibTorch": {"nn"},
    "gRPC::": {"rpc", "client"}, "protobuf::": {"rpc", "client"},
    "resnetd::proto": {"rpc", "client"}, "resnetd_proto": {"rpc", "client"},
    "PkgConfig::ARCHIVE": {"client"},
    "SQLite": {"store"}, "OpenSSL::": {"base"}, "spdlog::": {"base"},
    "CLI11::": {"app", "client"},
    "nlohmann_json::": {"models", "finetune", "app", "client", "engine", "rpc"},
}

# Bare or inside a generator expression.
OUR_TARGET = re.compile(r"\bresnetd(?:::|_)([a-z_]+)>?$")


def may_use(module: str, other: str) -> bool:
    """Whether `module` may include or link our module `other`."""
    if module == other or module in ("main", "tests"):
        return True
    if module == "client":
        return other in CLIENT_MAY_USE
    return MODULES[other] < MODULES[module]


def owner(name: str):
    """(module, is_test) of a file given relative to the root."""
    parts = name.split("/")
    if parts[0] == "server":
        return (parts[1] if len(parts) > 2 else "main"), False
    if parts[0] == "client":
        return "client", False
    if parts[:2] == ["tests", "unit"] and len(parts) > 3:
        return parts[2], True
    return "tests", True


def include_complaints(name: str, text: str):
    module, is_test = owner(name)
    if module not in MODULES and module not in ("client", "main", "tests"):
        yield f"{name}:1: '{module}' is not in the table of modules"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not match:
            continue
        header = match[1]
        ours = re.match(r"server/([a-z_]+)/", header)
        if ours and ours[1] not in MODULES:
            yield f"{name}:{number}: there is no module '{ours[1]}'"
        elif ours and not may_use(module, ours[1]):
            yield f"{name}:{number}: {module} must not include {ours[1]}"
        if header.startswith("client/") and module not in ("client", "tests"):
            yield f"{name}:{number}: {module} must not include the client"
        if not is_test and header.startswith("tests/"):
            yield f"{name}:{number}: {module} must not include tests"
        for prefix, owners in DOORS.items():
            if not header.startswith(prefix) or module in owners:
                continue
            # Suites over several modules reach a library by its module's tests
            # or as an independent oracle.
            if module == "tests" or (is_test and prefix in TESTS_MAY_TOO):
                continue
            yield (f"{name}:{number}: {header} belongs to "
                   f"{' and '.join(sorted(owners))}")


def calls(text: str, function: str):
    """The arguments of each call of a CMake function, without comments."""
    text = re.sub(r"#[^\n]*", "", text)
    for match in re.finditer(rf"\b{function}\s*\(([^()]*)\)", text):
        yield match[1].split()


# Where a module's CMake file names targets, directly or in a variable.
LINKING = ("resnetd_module", "target_link_libraries", "set", "list")


def link_complaints(name: str, text: str):
    folder = owner(name)[0]
    for function in LINKING:
        for arguments in calls(text, function):
            module = folder
            if function == "resnetd_module" and arguments[0] != folder:
                yield f"{name}:1: folder {folder} declares {arguments[0]}"
            for target in arguments[1:]:
                ours = OUR_TARGET.search(target)
                if ours and ours[1] in MODULES and not may_use(module, ours[1]):
                    yield f"{name}:1: {module} must not link {ours[1]}"
                for prefix, owners in TARGET_DOORS.items():
                    if target.startswith(prefix) and module not in owners:
                        yield (f"{name}:1: {target} belongs to "
                               f"{' and '.join(sorted(owners))}")


def unlinked_complaints(root, name: str, text: str):
    """A module that includes another links it, too."""
    folder = (root / name).parent
    linked = {match[1] for function in LINKING
              for arguments in calls(text, function) for target in arguments
              if (match := OUR_TARGET.search(target))}
    for arguments in calls(text, "resnetd_module"):
        for path in sorted(folder.rglob("*")):
            if path.suffix not in lintlib.CPP:
                continue
            used = re.findall(r'^#include "server/([a-z_]+)/',
                              path.read_text(), re.MULTILINE)
            for other in sorted(set(used) - linked - {arguments[0]}):
                yield (f"{name}:1: {path.name} includes {other}, which is not "
                       "among its DEPS")


def complaints(root):
    for path in lintlib.our_files(root, ".h", ".cc", "CMakeLists.txt"):
        name = lintlib.relative(root, path)
        if not name.startswith(("server/", "client/", "tests/")):
            continue
        text = path.read_text()
        if path.suffix in lintlib.CPP:
            yield from include_complaints(name, text)
        elif name.startswith("server/") and name.count("/") == 2:
            yield from link_complaints(name, text)
            yield from unlinked_complaints(root, name, text)


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
