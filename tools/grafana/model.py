"""What a Grafana dashboard is made of, in the classic schema.

Functions return plain dictionaries in the form that Grafana stores, so that
what is printed is what Grafana shows.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 42
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of every metric of ours: which servers are looked at.
SERVERS = 'job=~"$job",instance=~"$instance"'
SLOT = f'{SERVERS},slot=~"$slot"'
MODEL = f'{SERVERS},model=~"$model"'
BLOCK = f'{SLOT},block=~"$block"'

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
GREY = "#808080"


def target(expr: str, legend: str = "__auto", *, instant: bool = False, form: str = "time_series",
           exemplar: bool = False) -> Json:
    """One query; its letter comes from its place in the panel."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "exemplar": exemplar,
        "expr": expr,
        "format": form,
        "instant": instant,
        "legendFormat": legend,
        "range": not instant,
    }


def steps(*pairs: tuple[float | None, str]) -> Json:
    """Thresholds: a colour from each value on, the first from everywhere."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value}
                                          for value, color in pairs]}


def panel(kind: str, title: str, description: str, targets: list[Json], *, unit: str,
          width: int = 8, height: int = 8, defaults: Json | None = None,
          options: Json | None = None, overrides: list[Json] | None = None,
          transformations: list[Json] | None = None) -> Json:
    lettered = [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(targets)]
    made = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})},
                        "overrides": overrides or []},
        "options": options or {},
        "targets": lettered,
    }
    if transformations:
        made["transformations"] = transformations
    return made


def timeseries(title: str, description: str, targets: list[Json], *, unit: str,
               stacked: bool = False, log: bool = False, band: Json | None = None,
               least: float | None = None, most: float | None = None, width: int = 8,
               overrides: list[Json] | None = None) -> Json:
    """Lines over time; `band`: thresholds that are drawn as areas."""
    custom: Json = {
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
        "thresholdsStyle": {"mode": "line+area" if band else "off"},
    }
    defaults: Json = {"color": {"mode": "palette-classic"}, "custom": custom}
    if band:
        defaults["thresholds"] = band
    if least is not None:
        defaults["min"] = least
    if most is not None:
        defaults["max"] = most
    return panel("timeseries", title, description, targets, unit=unit, width=width,
                 defaults=defaults, overrides=overrides,
                 options={"legend": {"calcs": ["mean", "lastNotNull", "max"],
                                     "displayMode": "table", "placement": "bottom",
                                     "showLegend": True},
                          "tooltip": {"mode": "multi", "sort": "desc"}})


def stat(title: str, description: str, targets: list[Json], *, unit: str,
         thresholds: Json | None = None, decimals: int | None = None, width: int = 4,
         mappings: list[Json] | None = None) -> Json:
    defaults: Json = {"color": {"mode": "thresholds"},
                      "thresholds": thresholds or steps((None, BLUE))}
    if decimals is not None:
        defaults["decimals"] = decimals
    if mappings:
        defaults["mappings"] = mappings
    return panel("stat", title, description, targets, unit=unit, width=width, height=4,
                 defaults=defaults,
                 options={"colorMode": "value", "graphMode": "area", "justifyMode": "auto",
                          "orientation": "auto", "textMode": "auto",
                          "reduceOptions": {"calcs": ["lastNotNull"], "fields": "",
                                            "values": False}})


def heatmap(title: str, description: str, expr: str, *, unit: str, width: int = 8) -> Json:
    """Of the buckets of a histogram; `unit`: of its values."""
    return panel("heatmap", title, description, [target(expr, "{{le}}", form="heatmap")],
                 unit=unit, width=width,
                 options={"calculate": False,
                          "cellGap": 1,
                          "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64,
                                    "exponent": 0.5, "fill": "dark-orange", "reverse": False,
                                    "scale": "exponential"},
                          "exemplars": {"color": "rgba(255,0,255,0.7)"},
                          "filterValues": {"le": 1e-9},
                          "legend": {"show": True},
                          "rowsFrame": {"layout": "auto"},
                          "tooltip": {"mode": "single", "yHistogram": True},
                          "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit}})


def status_history(title: str, description: str, expr: str, *, unit: str, legend: str,
                   color: str | None = None, thresholds: Json | None = None,
                   least: float | None = None, most: float | None = None,
                   decimals: int = 2, width: int = 12, height: int = 12) -> Json:
    """A row for each series, a coloured cell for each moment."""
    scheme = {"mode": color} if color else {"mode": "thresholds"}
    defaults: Json = {"color": scheme, "decimals": decimals,
                      "custom": {"fillOpacity": 85, "lineWidth": 0},
                      "thresholds": thresholds or steps((None, GREY))}
    if least is not None:
        defaults["min"] = least
    if most is not None:
        defaults["max"] = most
    return panel("status-history", title, description, [target(expr, legend)], unit=unit,
                 width=width, height=height, defaults=defaults,
                 options={"colWidth": 0.95, "rowHeight": 0.95, "showValue": "never",
                          "legend": {"displayMode": "list", "placement": "bottom",
                                     "showLegend": bool(thresholds)},
                          "tooltip": {"mode": "single", "sort": "none"}})


def state_timeline(title: str, description: str, targets: list[Json], *, unit: str = "none",
                   mappings: list[Json] | None = None, thresholds: Json | None = None,
                   width: int = 12, height: int = 8) -> Json:
    return panel("state-timeline", title, description, targets, unit=unit, width=width,
                 height=height,
                 defaults={"color": {"mode": "thresholds"},
                           "custom": {"fillOpacity": 75, "lineWidth": 0, "spanNulls": False},
                           "mappings": mappings or [],
                           "thresholds": thresholds or steps((None, GREEN))},
                 options={"alignValue": "left", "mergeValues": True, "rowHeight": 0.9,
                          "showValue": "never",
                          "legend": {"displayMode": "list", "placement": "bottom",
                                     "showLegend": False},
                          "tooltip": {"mode": "single", "sort": "none"}})


def table(title: str, description: str, targets: list[Json], *, columns: dict[str, str],
          unit: str = "none", width: int = 12, height: int = 8) -> Json:
    """Of instant queries; `columns`: which labels are shown, in order, and as what."""
    order = {name: index for index, name in enumerate(columns)}
    return panel("table", title, description,
                 [{**one, "format": "table", "instant": True, "range": False}
                  for one in targets],
                 unit=unit, width=width, height=height,
                 defaults={"custom": {"align": "auto", "filterable": True}},
                 options={"cellHeight": "sm", "showHeader": True,
                          "footer": {"show": False, "reducer": ["sum"], "fields": ""}},
                 transformations=[
                     {"id": "filterFieldsByName",
                      "options": {"include": {"names": list(columns)}}},
                     {"id": "organize",
                      "options": {"indexByName": order, "renameByName": columns,
                                  "excludeByName": {}}}])


def bar_chart(title: str, description: str, targets: list[tuple[str, str]], *, by: str,
              unit: str, log: bool = False, width: int = 24, height: int = 9) -> Json:
    """Bars beside each other for each value of the label `by`, as things are now."""
    # Grafana tells the columns of values apart only where there are several.
    names = {f"Value #{chr(ord('A') + index)}" if len(targets) > 1 else "Value": name
             for index, (_, name) in enumerate(targets)}
    return panel("barchart", title, description,
                 [target(expr, name, instant=True, form="table") for expr, name in targets],
                 unit=unit, width=width, height=height,
                 defaults={"color": {"mode": "palette-classic"},
                           "custom": {"fillOpacity": 80, "lineWidth": 1,
                                      "scaleDistribution":
                                      {"type": "log", "log": 10} if log
                                      else {"type": "linear"}}},
                 options={"xField": by, "orientation": "vertical", "showValue": "never",
                          "stacking": "none", "groupWidth": 0.8, "barWidth": 0.95,
                          "xTickLabelRotation": -45,
                          "legend": {"calcs": [], "displayMode": "list",
                                     "placement": "bottom", "showLegend": True},
                          "tooltip": {"mode": "multi", "sort": "none"}},
                 transformations=[
                     {"id": "joinByField", "options": {"byField": by, "mode": "outer"}},
                     {"id": "filterFieldsByName",
                      "options": {"include": {"names": [by, *names]}}},
                     {"id": "organize", "options": {"renameByName": names,
                                                    "excludeByName": {},
                                                    "indexByName": {}}}])


def override(series: str, **properties: Any) -> Json:
    """For the series of this name; a property's dots are written as __."""
    return {"matcher": {"id": "byName", "options": series},
            "properties": [{"id": name.replace("__", "."), "value": value}
                           for name, value in properties.items()]}
