#!/usr/bin/env python3
"""Fails when a server/ module includes what it must not.

Two rules: a module includes only the modules listed for it, and each big
third-party library is included by one module only.
"""
import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": set(),
    "models": {"base"},
    "serving": {"models", "base"},
}
ONLY_IN = {  # include prefix -> the one module
    "torch/": "nn", "ATen/": "nn", "c10/": "nn",
    "opencv2/": "image", "grpcpp/": "rpc", "google/protobuf/": "rpc",
    "prometheus/": "telemetry",
}

def complaints(path: pathlib.Path, module: str):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'#include [<"]([^>"]+)[>"]', line)
        if not match:
            continue
        header = match[1]
        ours = re.match(r"server/([a-z_]+)/", header)
        if ours and ours[1] not in MAY_INCLUDE[module] | {module}:
            yield f"{path}:{number}: {module} must not include {ours[1]}"
        for prefix, owner in ONLY_IN.items():
            if header.startswith(prefix) and module != owner:
                yield f"{path}:{number}: {prefix} belongs to {owner}"

def main(server: pathlib.Path) -> int:
    files = [p for p in sorted(server.rglob("*")) if p.suffix in (".h", ".cc")]
    found = [text for p in files if len(p.relative_to(server).parts) > 1
             for text in complaints(p, p.relative_to(server).parts[0])]
    print("\n".join(found))
    return 1 if found else 0

if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
