"""Whole dashboards: variables, annotations, links, the place of each panel."""

from __future__ import annotations

from grafana.model import BLUE, DATASOURCE, GREEN, ORANGE, RED, SCHEMA_VERSION, SERVERS, Json

TAG = "resnetd"
COLUMNS = 24


def row(title: str, *panels: Json) -> tuple[str, list[Json]]:
    return title, list(panels)


def labels_of(name: str, label: str, query: str, *, described: str,
              text: str | None = None) -> Json:
    """A variable with the values of `label`, several of which may be chosen."""
    return {
        "name": name,
        "label": text or label,
        "description": described,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({query}, {label})", "refId": name},
        "definition": f"label_values({query}, {label})",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "skipUrlSync": False,
        "hide": 0,
    }


def common_variables() -> list[Json]:
    source = {
        "name": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes the servers",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "current": {},
        "options": [],
        "regex": "",
        "skipUrlSync": False,
        "hide": 0,
    }
    return [source,
            labels_of("job", "job", "resnetd_build_info",
                      described="Scrape job of the servers"),
            labels_of("instance", "instance", 'resnetd_build_info{job=~"$job"}',
                      described="Server")]


def annotation(name: str, expr: str, title: str, color: str, tags: str = "", *,
               is_time: bool = False) -> Json:
    """Marks of where `expr` has values; `is_time`: they are when, in milliseconds."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "expr": expr,
        "iconColor": color,
        "step": "",
        "tagKeys": tags,
        "textFormat": "",
        "titleFormat": title,
        "useValueForTime": is_time,
    }


def common_annotations() -> list[Json]:
    built_in = {
        "name": "Annotations & Alerts",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "type": "dashboard",
    }
    return [
        built_in,
        annotation("Promotions",
                   "changes(resnetd_model_promoted_timestamp_seconds"
                   f"{{{SERVERS}}}[$__interval]) > 0",
                   "{{model}}: another version answers", GREEN, "model,instance"),
        annotation("Rollbacks",
                   "increase(resnetd_alias_switches_total"
                   f'{{{SERVERS},kind="rollback"}}[$__interval]) > 0',
                   "{{model}}: rolled back", ORANGE, "model,instance"),
        # Not by changes(): a server may be away for longer than the interval.
        annotation("Restarts", f"1000 * process_start_time_seconds{{{SERVERS}}}",
                   "{{instance}} started", BLUE, "instance", is_time=True),
        annotation("Alerts",
                   f'ALERTS{{{SERVERS},alertstate="firing"}}',
                   "{{alertname}}", RED, "alertname,instance"),
    ]


def links(titles: dict[str, str], own: str) -> list[Json]:
    """To the other dashboards, with the same servers and the same time."""
    return [{
        "title": title,
        "type": "link",
        "icon": "dashboard",
        "url": f"/d/{uid}",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    } for uid, title in titles.items() if uid != own]


def placed(rows: list[tuple[str, list[Json]]]) -> list[Json]:
    """The panels from left to right and from top to bottom, each row under its title."""
    panels: list[Json] = []
    y = 0
    for title, row_panels in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}})
        y += 1
        x = height = 0
        for made in row_panels:
            place = made["gridPos"]
            if x + place["w"] > COLUMNS:
                y, x, height = y + height, 0, 0
            panels.append({**made, "gridPos": {**place, "x": x, "y": y}})
            x += place["w"]
            height = max(height, place["h"])
        y += height
    return [{"id": number, **one} for number, one in enumerate(panels, 1)]


def dashboard(uid: str, title: str, description: str, *, titles: dict[str, str],
              variables: list[Json], rows: list[tuple[str, list[Json]]]) -> Json:
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "liveNow": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "preload": False,
        "annotations": {"list": common_annotations()},
        "links": links(titles, uid),
        "templating": {"list": [*common_variables(), *variables]},
        "panels": placed(rows),
    }
