"""Dashboard "Fleet": all servers side by side."""

from __future__ import annotations

from grafana.dashboard import dashboard, labels_of, row
from grafana.model import (GREEN, MODEL, ORANGE, RED, SERVERS, YELLOW, Json, state_timeline, stat,
                           steps, table, target, timeseries)
from grafana.serving import CLASSIFY, FAULTS, quantile, rate

DAY = 86400
# What the autoscaler keeps the wait for a batch at, in seconds.
WAIT_TARGET = 0.05


def replicas() -> tuple[str, list[Json]]:
    skew = ("max(count by (model) (count by (model, digest) (resnetd_alias_info"
            f'{{{MODEL},alias="stable"}})))')
    return row(
        "Servers",
        stat("Scraped", "Servers that Prometheus reaches.",
             [target(f"sum(up{{{SERVERS}}})", "servers")], unit="none",
             thresholds=steps((None, RED), (1, GREEN))),
        stat("Ready", "Servers that take calls.",
             [target(f"sum(resnetd_ready{{{SERVERS}}})", "servers")], unit="none",
             thresholds=steps((None, RED), (1, GREEN))),
        stat("Version skew", "Different contents that the alias stable of one model names on "
             "different servers. More than 1 for minutes: some do not follow.",
             [target(skew, "contents")], unit="none",
             thresholds=steps((None, GREEN), (2, RED))),
        stat("Restarts", "In the range of time shown.",
             [target(f"sum(changes(process_start_time_seconds{{{SERVERS}}}[$__range]))",
                     "restarts")], unit="none",
             thresholds=steps((None, GREEN), (1, ORANGE))),
        stat("Calls", "Calls that end, of all servers.",
             [target(f"sum({rate('resnetd_rpc_requests_total', SERVERS)})", "calls")],
             unit="reqps"),
        stat("Refused", "Calls and images that were refused as there were too many.",
             [target("sum(" + rate("resnetd_rejected_total",
                                   f'{MODEL},reason=~"queue_full|overloaded"') + ")",
                     "refused")], unit="ops", thresholds=steps((None, GREEN), (0.1, RED))),
        state_timeline("Ready, by server", "Red: it does not take calls; a gap: it was not "
                       "scraped.",
                       [target(f"max by (instance) (resnetd_ready{{{SERVERS}}})",
                               "{{instance}}")],
                       mappings=[{"type": "value",
                                  "options": {"0": {"text": "not ready", "color": RED,
                                                    "index": 0},
                                              "1": {"text": "ready", "color": GREEN,
                                                    "index": 1}}}],
                       thresholds=steps((None, RED), (1, GREEN))),
        table("Versions that answer", "What the alias stable names on each server, and the "
              "program it runs.",
              [target("max by (instance, model, version, digest) (resnetd_alias_info"
                      f'{{{MODEL},alias="stable"}})')],
              columns={"instance": "Server", "model": "Model", "version": "Version",
                       "digest": "Digest"}),
        timeseries("Servers by version", "How many servers answer with which content. Two "
                   "lines of a model for minutes: some servers do not follow; the table of the "
                   "versions that answer names them.",
                   [target("count by (model, version, digest) (resnetd_alias_info"
                           f'{{{MODEL},alias="stable",digest!=""}})',
                           "{{model}}@{{version}}")],
                   unit="none", least=0, width=12),
        table("Programs", "Version of each server.",
              [target(f"max by (instance, version) (resnetd_build_info{{{SERVERS}}})")],
              columns={"instance": "Server", "version": "Version"}),
        timeseries("Certificates", "Time until the certificate of each server ends. Renewed, "
                   "it jumps up.",
                   [target("min by (instance, kind) (resnetd_credential_expiry_timestamp_seconds"
                           f"{{{SERVERS}}}) - time()", "{{instance}}: {{kind}}")],
                   unit="s", width=12,
                   band=steps((None, RED), (2 * DAY, YELLOW), (14 * DAY, "transparent"))),
        timeseries("Credentials read again", "Changed files of certificates and tokens: ok, or "
                   "failed, and the old ones stay in force.",
                   [target("sum by (instance, kind, outcome) (increase("
                           f"resnetd_credential_reloads_total{{{SERVERS}}}[$__rate_interval]))",
                           "{{instance}}: {{kind}}, {{outcome}}")],
                   unit="none", least=0, width=12))


def load() -> tuple[str, list[Json]]:
    return row(
        "Load",
        timeseries("Calls", "By server. One far above the others: its clients do not "
                   "balance.",
                   [target("sum by (instance) ("
                           + rate("resnetd_rpc_requests_total", SERVERS) + ")",
                           "{{instance}}")], unit="reqps", least=0, width=6),
        timeseries("Faults", "Calls that end with a code that is the server's fault, by "
                   "server.",
                   [target("sum by (instance) (" + rate("resnetd_rpc_requests_total",
                                                        f'{SERVERS},code=~"{FAULTS}"') + ")",
                           "{{instance}}")], unit="reqps", least=0, width=6),
        timeseries("p99", "Of the classifications, by server.",
                   [target(quantile(0.99, "resnetd_rpc_duration_seconds", CLASSIFY,
                                    "instance"), "{{instance}}")],
                   unit="s", least=0, width=6),
        timeseries("Queue", "Images taken and not answered over the limit, by server.",
                   [target(f"max by (instance) (resnetd_queue_depth_images{{{MODEL}}} / "
                           f"resnetd_queue_limit_images{{{MODEL}}})", "{{instance}}")],
                   unit="percentunit", least=0, width=6,
                   band=steps((None, "transparent"), (0.8, RED))),
        timeseries("Signal to scale on", "p95 of the wait for a batch over all servers, and "
                   "the target: above it the fleet grows.",
                   [target(quantile(0.95, "resnetd_stage_duration_seconds",
                                    f'{MODEL},stage="queue"'), "wait"),
                    target(f"vector({WAIT_TARGET})", "target")],
                   unit="s", least=0, width=24))


def devices() -> tuple[str, list[Json]]:
    return row(
        "Devices",
        timeseries("GPU memory in use", "Of all its users, over the total.",
                   [target("max by (instance, gpu) (resnetd_gpu_memory_bytes"
                           f'{{{SERVERS},kind="used"}}) / max by (instance, gpu) '
                           f'(resnetd_gpu_memory_bytes{{{SERVERS},kind="total"}})',
                           "{{instance}}: {{gpu}}")],
                   unit="percentunit", least=0, most=1, width=6,
                   band=steps((None, "transparent"), (0.95, RED))),
        timeseries("GPU in use", "Share of the time in which it ran any kernel. Not what to "
                   "scale on: a GPU that waits for memory counts as busy.",
                   [target("max by (instance, gpu) "
                           f"(resnetd_gpu_utilization_ratio{{{SERVERS}}})",
                           "{{instance}}: {{gpu}}")],
                   unit="percentunit", least=0, most=1, width=6),
        timeseries("GPU temperature", "Hot devices slow down.",
                   [target("max by (instance, gpu) "
                           f"(resnetd_gpu_temperature_celsius{{{SERVERS}}})",
                           "{{instance}}: {{gpu}}")], unit="celsius", width=6,
                   band=steps((None, "transparent"), (85, YELLOW), (90, RED))),
        timeseries("GPU power", "What each draws.",
                   [target(f"max by (instance, gpu) (resnetd_gpu_power_watts{{{SERVERS}}})",
                           "{{instance}}: {{gpu}}")], unit="watt", least=0, width=6),
        table("GPUs", "Which device has which number.",
              [target(f"max by (instance, gpu, name) (resnetd_gpu_info{{{SERVERS}}})")],
              columns={"instance": "Server", "gpu": "GPU", "name": "Device"}, width=6),
        timeseries("Processor", "Cores in use by each server.",
                   [target("max by (instance) ("
                           + rate("process_cpu_seconds_total", SERVERS) + ")",
                           "{{instance}}")], unit="none", least=0, width=6),
        timeseries("Memory", "Resident memory of each server.",
                   [target(f"max by (instance) (process_resident_memory_bytes{{{SERVERS}}})",
                           "{{instance}}")], unit="bytes", least=0, width=6),
        timeseries("Scrape", "Series of each server, and the time that a scrape takes. The "
                   "budget is 20,000.",
                   [target(f"max by (instance) (scrape_samples_scraped{{{SERVERS}}})",
                           "{{instance}}: series"),
                    target(f"max by (instance) (scrape_duration_seconds{{{SERVERS}}}) * 1000",
                           "{{instance}}: ms")], unit="none", log=True, width=6))


def make(titles: dict[str, str]) -> Json:
    return dashboard(
        "resnetd-fleet", titles["resnetd-fleet"],
        "All servers side by side: which are ready, which version each serves, how loaded "
        "they are.",
        titles=titles,
        variables=[labels_of("model", "model", f"resnetd_queue_limit_images{{{SERVERS}}}",
                             described="Model")],
        rows=[replicas(), load(), devices()])
