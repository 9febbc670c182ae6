"""The metrics that the server exports, as server/telemetry/metric_names.h has
them, and what is wrong with expressions that look at them."""
import dataclasses
import pathlib
import re

import promql

NAMES = "server/telemetry/metric_names.h"
SPEC = re.compile(r'MetricSpec\s+k\w+\s*=\s*\{\s*"(?P<name>\w+)",\s*'
                  r'MetricKind::k(?P<kind>\w+),\s*"(?P<labels>[\w,]*)",\s*'
                  r'(?P<help>(?:"(?:\\.|[^"\\])*"\s*)+)\}')
# Series that Prometheus makes itself, with their labels.
FOREIGN = {"up": set(), "scrape_samples_scraped": set(), "scrape_duration_seconds": set(),
           "ALERTS": {"alertname", "alertstate", "severity"}}
# Labels that Prometheus puts on everything it scrapes.
SCRAPED = {"job", "instance"}
RATES = {"rate", "irate", "increase"}


@dataclasses.dataclass
class Metric:
    name: str
    kind: str
    labels: list[str]
    help: str


def metrics(root: pathlib.Path) -> dict[str, Metric]:
    found = {}
    for match in SPEC.finditer((root / NAMES).read_text()):
        text = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', match["help"]))
        labels = [label for label in match["labels"].split(",") if label]
        found[match["name"]] = Metric(match["name"], match["kind"].lower(), labels, text)
    return found


def series(root: pathlib.Path) -> dict[str, set[str]]:
    """The names of all series with their labels: a histogram has several."""
    known = {name: labels | SCRAPED for name, labels in FOREIGN.items()}
    for metric in metrics(root).values():
        labels = set(metric.labels) | SCRAPED
        if metric.kind == "histogram":
            known[metric.name + "_bucket"] = labels | {"le"}
            known[metric.name + "_sum"] = known[metric.name + "_count"] = labels
        else:
            known[metric.name] = labels
    return known


def expression_complaints(expr: str, known: dict[str, set[str]],
                          counters: set[str]):
    """What is wrong with the names in an expression."""
    try:
        selectors, grouped = promql.read(expr)
    except promql.Unreadable as error:
        yield f"{error}: {expr}"
        return
    there: set[str] = set()
    for one in selectors:
        if one.metric not in known:
            yield f"the server exports no {one.metric}"
            there |= grouped
            continue
        there |= known[one.metric]
        for label, _, _ in one.matchers:
            if label not in known[one.metric]:
                yield f"{one.metric} has no label '{label}'"
        if one.metric in counters and not RATES & set(one.inside):
            yield (f"{one.metric} is a counter: take its rate() or increase() "
                   "(target-counter-agg)")
    for label in sorted(grouped - there):
        yield f"groups by '{label}', which none of its metrics has"


def counters(root: pathlib.Path) -> set[str]:
    return {metric.name for metric in metrics(root).values() if metric.kind == "counter"} | {
        metric.name + suffix for metric in metrics(root).values()
        if metric.kind == "histogram" for suffix in ("_bucket", "_sum", "_count")}
