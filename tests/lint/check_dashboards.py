#!/usr/bin/env python3
"""Fails on Grafana dashboards that a person could not rely on.

The rules of Grafana's own dashboard-linter, by their names; metrics and labels
that the server does not export; files that are not what tools/dashboards.py
writes; panels on top of each other; links to nothing.
"""
import json
import re
import subprocess
import sys

import lintlib
import metriclib
import promql

FOLDER = "deploy/monitoring/grafana/dashboards"
GENERATOR = "tools/dashboards.py"
# (dashboard, panel or variable, rule) -> why the rule does not hold there.
EXCEPTIONS: dict[tuple[str, str, str], str] = {}
SCHEMA_VERSION = 42
COLUMNS = 24
ANNOTATIONS = {"Promotions", "Rollbacks", "Restarts"}
# Known to Grafana without a declaration.
BUILT_IN = {"__rate_interval", "__interval", "__range", "__all"}
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def template_complaints(board):
    """Rules template-*: (variable, rule, text)."""
    variables = {one.get("name"): one for one in board.get("templating", {}).get("list", [])}
    source = variables.get("datasource")
    if source is None:
        yield "datasource", "template-datasource", "there is no such variable"
    elif (source.get("type"), source.get("query"), source.get("label")) != \
            ("datasource", "prometheus", "Data source"):
        yield ("datasource", "template-datasource",
               "type 'datasource', query 'prometheus', label 'Data source'")
    for name in ("job", "instance"):
        if name not in variables:
            yield name, f"template-{name}", "there is no such variable"
    for name, one in variables.items():
        if one.get("type") != "query":
            continue
        rule = f"template-{name}" if name in ("job", "instance") else "template-query"
        if one.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
            yield name, rule, "its data source is not $datasource"
        if not one.get("multi") or one.get("allValue") != ".+":
            yield name, rule, "several values, and '.+' for all of them"
        if one.get("refresh") != 2:
            yield name, "template-on-time-change-reload", "refresh is not 2"
        if not one.get("label") or not one.get("description"):
            yield name, "template-label-promql", "no label or no description"
        yield from ((name, "template-label-promql", text)
                    for text in query_complaints(one.get("definition", "")))


def query_complaints(definition):
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", definition)
    if not match:
        yield f"not label_values(SELECTOR, LABEL): {definition}"
        return
    try:
        promql.read(match[1])
    except promql.Unreadable as error:
        yield f"{error}: {definition}"


def panel_complaints(panel):
    """Rules panel-*: (rule, text)."""
    if panel.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
        yield "panel-datasource", "its data source is not $datasource"
    if not panel.get("title") or not panel.get("description"):
        yield "panel-title-description", "no title or no description"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "panel-units", "no unit"
    if not panel.get("targets"):
        yield "panel-no-targets", "it asks for nothing"


def target_complaints(expr):
    """Rules target-*: (rule, text)."""
    try:
        selectors, _ = promql.read(expr)
    except promql.Unreadable as error:
        yield "target-promql", f"{error}: {expr}"
        return
    for one in selectors:
        for label in ("job", "instance"):
            if not one.has(label, "=~", f"${label}"):
                yield f"target-{label}", f'{one.metric} without {label}=~"${label}"'
        if {"rate", "irate"} & set(one.inside) and one.window != "$__rate_interval":
            yield ("target-rate-interval",
                   f"rate of {one.metric} over {one.window}, not $__rate_interval")


def board_complaints(board):
    """Rules for the dashboard as a whole: (rule, text)."""
    if board.get("editable") is not False:
        yield "uneditable-dashboard", "editable is not false"
    if board.get("id", "") is not None or not board.get("uid"):
        yield "provisioned", "id is not null, or there is no uid"
    if "__inputs" in board or "__requires" in board:
        yield "provisioned", "it was exported for sharing: it has __inputs"
    if board.get("schemaVersion") != SCHEMA_VERSION:
        yield "schema", f"schemaVersion is not {SCHEMA_VERSION}"
    missing = ANNOTATIONS - {one.get("name")
                             for one in board.get("annotations", {}).get("list", [])}
    if missing:
        yield "annotations", f"none for {', '.join(sorted(missing))}"
    declared = {one.get("name") for one in board.get("templating", {}).get("list", [])}
    used = {one[0] or one[1] for one in VARIABLE.findall(json.dumps(board))}
    for name in sorted(used - declared - BUILT_IN):
        yield "variables", f"${name} is not declared"
    for name in sorted(declared - used):
        yield "variables", f"${name} is not used"


def place_complaints(panels):
    """Every panel within the grid, and none on another."""
    taken: dict[tuple[int, int], str] = {}
    numbers = [panel.get("id") for panel in panels]
    if len(set(numbers)) != len(numbers):
        yield "", "panels", "two panels have the same id"
    for panel in panels:
        place = panel["gridPos"]
        title = panel.get("title", "")
        if place["x"] + place["w"] > COLUMNS:
            yield title, "panels", f"it ends beyond column {COLUMNS}"
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):
            other = taken.setdefault(cell, title)
            if other != title:
                yield title, "panels", f"it lies on '{other}'"
                break


def expressions(board):
    """(where, expression) of every panel and annotation."""
    for panel in board.get("panels", []):
        for target in panel.get("targets", []):
            yield panel.get("title", ""), target.get("expr", "")
    for one in board.get("annotations", {}).get("list", []):
        if "expr" in one:
            yield one.get("name", ""), one["expr"]


def findings(board, uids, known, counters):
    """(where, rule, text) of one dashboard."""
    yield from (("", *found) for found in board_complaints(board))
    yield from template_complaints(board)
    panels = board.get("panels", [])
    yield from place_complaints(panels)
    for panel in panels:
        title = panel.get("title", "")
        if panel.get("type") == "row":
            continue
        yield from ((title, *found) for found in panel_complaints(panel))
        for target in panel.get("targets", []):
            yield from ((title, *found) for found in target_complaints(target.get("expr", "")))
    for where, expr in expressions(board):
        yield from ((where, "metrics", text) for text in
                    metriclib.expression_complaints(expr, known, counters))
    for link in board.get("links", []):
        uid = link.get("url", "").removeprefix("/d/")
        if uid not in uids:
            yield link.get("title", ""), "links", f"there is no dashboard {uid}"
        if not link.get("includeVars") or not link.get("keepTime"):
            yield link.get("title", ""), "links", "it forgets variables or time"


def generator_complaints(root):
    if (root / GENERATOR).exists():
        done = subprocess.run([sys.executable, "-B", str(root / GENERATOR), "--check"],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{FOLDER}: {done.stdout.strip() or done.stderr.strip()}"


def complaints(root):
    boards = {path.name: json.loads(path.read_text())
              for path in lintlib.our_files(root, ".json")
              if lintlib.relative(root, path).startswith(FOLDER + "/")}
    uids = [board.get("uid") for board in boards.values()]
    if len(set(uids)) != len(uids):
        yield f"{FOLDER}: two dashboards have the same uid"
    if not boards:
        return
    known, counters = metriclib.series(root), metriclib.counters(root)
    unused = set(EXCEPTIONS)
    for name, board in boards.items():
        for where, rule, text in findings(board, uids, known, counters):
            if (name, where, rule) in EXCEPTIONS:
                unused.discard((name, where, rule))
                continue
            yield f"{FOLDER}/{name}: {where or 'dashboard'}: {text} ({rule})"
    for exception in sorted(unused):
        yield f"{FOLDER}: {exception} is excepted, but nothing is wrong there"
    yield from generator_complaints(root)


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
