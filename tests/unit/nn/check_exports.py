#!/usr/bin/env python3
"""Fails when libraries that share the server's process share symbols, too.

A LibTorch that exports protobuf, Abseil or gRPC would be mixed with the
system's at run time; the plug-in itself shows its entry points and nothing
else.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ENTRY_POINTS = {"resnetd_backend_plugin", "resnetd_probe_plugin",
                "resnetd_trainer_plugin"}
# A symbol of one of these namespaces, or its vtable or type information. Their
# names inside another symbol (an argument's type) are harmless.
FOREIGN = re.compile(r"^(?:(?:vtable|VTT|typeinfo|typeinfo name|guard variable|"
                     r"non-virtual thunk|virtual thunk) (?:for|to) )?"
                     r"(google::protobuf|absl|grpc|grpc_core)::")


def exported(nm, library):
    """Demangled names that the dynamic linker can bind others to."""
    output = subprocess.run([nm, "-D", "-C", "--defined-only", library],
                            check=True, capture_output=True, text=True).stdout
    # "0000000000011912 T name(arguments)"; the address can be missing.
    names = [re.sub(r"^[0-9a-f]* *[A-Za-z] ", "", line)
             for line in output.splitlines()]
    if not names:
        raise SystemExit(f"{library}: nm finds no exported symbol at all")
    return names


def complaints(nm, plugin, libraries):
    for library in libraries:
        foreign = sorted(name for name in exported(nm, library)
                         if FOREIGN.match(name))
        if foreign:
            yield (f"{pathlib.Path(library).name}: exports {len(foreign)} "
                   f"symbols of other libraries, e.g. {foreign[0]}")
    shown = set(exported(nm, plugin))
    surplus, missing = sorted(shown - ENTRY_POINTS), ENTRY_POINTS - shown
    if surplus:
        yield (f"{pathlib.Path(plugin).name}: exports {len(surplus)} symbols "
               f"beside its entry points, e.g. {surplus[0]}")
    if missing:
        yield (f"{pathlib.Path(plugin).name}: does not export "
               f"{', '.join(sorted(missing))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--plugin", required=True)
    parser.add_argument("libraries", nargs="+")
    arguments = parser.parse_args()
    found = list(complaints(arguments.nm, arguments.plugin,
                            arguments.libraries))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
