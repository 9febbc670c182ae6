#!/usr/bin/env python3
"""Fails on alert rules that nobody could act on.

Prometheus's own check and the unit tests of tests/rules (by promtool), also with
the labels that series have in a cluster, metrics
and labels that the server does not export, and every alert without a summary,
a description, a runbook's section, a dashboard, or without a test in which it
fires and one in which it does not. The other way round: sections and tests of
alerts that there are not. Also whether Prometheus can read the expressions of
the dashboards.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import check_dashboards
import check_docs
import lintlib
import metriclib

FOLDER = "deploy/monitoring"
RUNBOOKS = "docs/runbooks.md"
TESTS = "tests/rules"
PREFIX = "Resnetd"
SEVERITIES = {"page", "ticket"}
# What Grafana would put in the place of its variables.
STAND_INS = {"__rate_interval": "1m", "__interval": "1m", "__range": "1h"}
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# What the Prometheus operator adds to every series of a pod.
CLUSTER = 'container="resnetd",endpoint="http",namespace="n",pod="p"'


def promtool():
    """The checker; ./dev setup keeps one beside the repository's files."""
    own = pathlib.Path(__file__).resolve().parents[2] / ".deps" / "promtool" / "promtool"
    return str(own) if own.exists() else shutil.which("promtool")


def substituted(expr):
    return VARIABLE.sub(lambda match: STAND_INS.get(match[1] or match[2], ".+"), expr)


def rule_files(root):
    return [path for path in lintlib.our_files(root, ".yml")
            if lintlib.relative(root, path).startswith(f"{FOLDER}/rules/")]


def test_files(root):
    return [path for path in lintlib.our_files(root, ".yml")
            if lintlib.relative(root, path).startswith(f"{TESTS}/")]


def rules_of(root):
    """(file, rule) of every rule."""
    for path in rule_files(root):
        for group in yaml.safe_load(path.read_text()).get("groups", []):
            for rule in group.get("rules", []):
                yield lintlib.relative(root, path), rule


def dashboard_uids(root):
    return {json.loads(path.read_text()).get("uid")
            for path in lintlib.our_files(root, ".json")
            if lintlib.relative(root, path).startswith(check_dashboards.FOLDER + "/")}


def alert_complaints(rule, anchors, uids):
    """What a person who is woken by it would miss."""
    name = rule["alert"]
    notes = rule.get("annotations", {})
    if not name.startswith(PREFIX):
        yield f"its name does not begin with {PREFIX}"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"severity is none of {', '.join(sorted(SEVERITIES))}"
    for key in ("summary", "description"):
        if not notes.get(key):
            yield f"no {key}"
    if notes.get("runbook_url") != f"{RUNBOOKS}#{name.lower()}":
        yield f"runbook_url is not {RUNBOOKS}#{name.lower()}"
    if name.lower() not in anchors:
        yield f"{RUNBOOKS} has no section '## {name}'"
    if notes.get("dashboard", "").removeprefix("/d/") not in uids:
        yield "dashboard names none of ours: /d/UID"


def tested(root):
    """Alerts that some test lets fire, and that some test keeps quiet."""
    fire: set[str] = set()
    quiet: set[str] = set()
    for path in test_files(root):
        for test in yaml.safe_load(path.read_text()).get("tests", []):
            for one in test.get("promql_expr_test", []):
                names = set(re.findall(r'alertname="(\w+)"', one["expr"]))
                samples = one.get("exp_samples") or []
                (fire if samples else quiet).update(names)
                for sample in samples:
                    fire.update(re.findall(r'alertname="(\w+)"', sample["labels"]))
    return fire, quiet


def coverage_complaints(root, alerts):
    fire, quiet = tested(root)
    for name in sorted(alerts):
        if name not in fire:
            yield f"{TESTS}: no test lets {name} fire"
        if name not in quiet:
            yield f"{TESTS}: no test keeps {name} quiet"
    for name in sorted((fire | quiet) - alerts):
        yield f"{TESTS}: a test of {name}, which is no alert"
    text = (root / RUNBOOKS).read_text() if (root / RUNBOOKS).exists() else ""
    for name in re.findall(rf"^#+ +({PREFIX}\w+)\s*$", text, re.MULTILINE):
        if name not in alerts:
            yield f"{RUNBOOKS}: a section for {name}, which is no alert"


def ran(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def prometheus_complaints(root):
    """What Prometheus itself says of rules, configuration and unit tests."""
    tool = promtool()
    if tool is None:
        yield "promtool is missing; ./dev setup brings it, so does the package prometheus"
        return
    code, said = ran(tool, "check", "rules", "--lint=all", "--lint-fatal", *rule_files(root))
    if code:
        yield f"promtool check rules: {said}"
    config = root / FOLDER / "prometheus.yml"
    if config.exists():
        code, said = ran(tool, "check", "config", "--lint-fatal", config)
        if code:
            yield f"promtool check config: {said}"
    if test_files(root):
        code, said = ran(tool, "test", "rules", *test_files(root))
        if code:
            yield f"promtool test rules: {said}"
        else:
            yield from cluster_complaints(root, tool)
    yield from board_complaints(root, tool)


def in_cluster(path):
    """The unit tests of a file where each series has the labels of a pod, too: as many
    alerts fire. What is matched by all labels but those would no longer be."""
    # As text: 0x20 is twenty zeroes more, no number.
    file = yaml.load(path.read_text(), yaml.BaseLoader)
    file["rule_files"] = [str((path.parent / name).resolve())
                          for name in file.get("rule_files", [])]
    for test in file.get("tests", []):
        for one in test.get("input_series", []):
            name, _, labels = one["series"].rstrip("}").partition("{")
            one["series"] = f"{name}{{{','.join(filter(None, [labels, CLUSTER]))}}}"
        test.pop("alert_rule_test", None)
        test["promql_expr_test"] = [
            {**one, "expr": f"count({one['expr']})", "exp_samples": counted(one)}
            for one in test.get("promql_expr_test", []) if one["expr"].startswith("ALERTS{")]
    return file


def counted(test):
    samples = test.get("exp_samples") or []
    return [{"labels": "{}", "value": len(samples)}] if samples else []


def cluster_complaints(root, tool):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for path in test_files(root):
            files.append(pathlib.Path(folder) / path.name)
            files[-1].write_text(yaml.safe_dump(in_cluster(path)))
        code, said = ran(tool, "test", "rules", *files)
        if code:
            yield f"promtool test rules, with the labels of a cluster: {said}"


def board_complaints(root, tool):
    """Expressions of dashboards that Prometheus cannot read."""
    found = {}
    for path in lintlib.our_files(root, ".json"):
        if lintlib.relative(root, path).startswith(check_dashboards.FOLDER + "/"):
            for where, expr in check_dashboards.expressions(json.loads(path.read_text())):
                found.setdefault(substituted(expr), f"{path.name}: {where}")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rules.yml"
        # One by one only when something is wrong.
        if refused(tool, file, list(found)):
            for expr, where in found.items():
                if said := refused(tool, file, [expr]):
                    yield f"{check_dashboards.FOLDER}/{where}: {said}"


def refused(tool, file, exprs):
    """What Prometheus says against these expressions; "": nothing."""
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": [
        {"record": "a", "expr": expr} for expr in exprs]}]}))
    code, said = ran(tool, "check", "rules", "--lint=none", file)
    return said.splitlines()[-1] if code else ""


def complaints(root):
    if not rule_files(root):
        return
    known, counters = metriclib.series(root), metriclib.counters(root)
    known |= {rule["record"]: {"job"} for _, rule in rules_of(root) if "record" in rule}
    anchors = set()
    if (root / RUNBOOKS).exists():
        anchors = set(check_docs.headings((root / RUNBOOKS).read_text()))
    uids = dashboard_uids(root)
    alerts = set()
    for file, rule in rules_of(root):
        name = rule.get("alert") or rule.get("record")
        for text in metriclib.expression_complaints(rule["expr"], known, counters):
            yield f"{file}: {name}: {text}"
        if "alert" in rule:
            if name in alerts:
                yield f"{file}: {name}: there are two of that name"
            alerts.add(name)
            for text in alert_complaints(rule, anchors, uids):
                yield f"{file}: {name}: {text}"
    yield from coverage_complaints(root, alerts)
    yield from prometheus_complaints(root)


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
