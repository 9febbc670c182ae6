#!/usr/bin/env python3
"""Fails when docs/metrics.md is not the list of metrics that the server exports."""
import re
import sys

import lintlib
import metriclib

PAGE = "docs/metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \| (?P<help>[^|]*) \|$",
                 re.MULTILINE)


def row(metric):
    return f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |"


def complaints(root):
    if not (root / PAGE).exists():
        if (root / metriclib.NAMES).exists():
            yield f"{PAGE} does not exist"
        return
    known = metriclib.metrics(root)
    listed = {}
    for match in ROW.finditer((root / PAGE).read_text()):
        if match["name"] in listed:
            yield f"{PAGE}: {match['name']} is there twice"
        listed[match["name"]] = match[0]
    for name, metric in known.items():
        if name not in listed:
            yield f"{PAGE}: {name} is missing: {row(metric)}"
        elif listed[name] != row(metric):
            yield f"{PAGE}: {name} is not what the server says: {row(metric)}"
    for name in sorted(set(listed) - set(known)):
        yield f"{PAGE}: {name} is nothing that the server exports"


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
