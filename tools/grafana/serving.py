"""Dashboard "Serving": rate, errors, latency, and where the time goes."""

from __future__ import annotations

from grafana.dashboard import dashboard, labels_of, row
from grafana.model import (GREEN, MODEL, ORANGE, RED, SERVERS, YELLOW, Json, bar_chart,
                           heatmap, state_timeline, stat, steps, table, target, timeseries)

# The codes that are the server's fault, as the alerts count them.
FAULTS = "DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|RESOURCE_EXHAUSTED|UNAVAILABLE|UNKNOWN"
# Share of calls without a fault.
OBJECTIVE = 0.999
CLASSIFY = f'{SERVERS},method=~"Classify.*"'


def rate(metric: str, selector: str) -> str:
    return f"rate({metric}{{{selector}}}[$__rate_interval])"


def quantile(share: float, metric: str, selector: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return (f"histogram_quantile({share}, sum by ({labels}) "
            f"({rate(metric + '_bucket', selector)}))")


def mean(metric: str, selector: str, by: str) -> str:
    return (f"sum by ({by}) ({rate(metric + '_sum', selector)}) / "
            f"sum by ({by}) ({rate(metric + '_count', selector)})")


def over_range(metric: str, selector: str) -> str:
    return f"sum(increase({metric}{{{selector}}}[$__range]))"


def budget_left() -> str:
    faults = over_range("resnetd_rpc_requests_total", f'{SERVERS},code=~"{FAULTS}"')
    calls = over_range("resnetd_rpc_requests_total", SERVERS)
    return f"1 - (({faults} or vector(0)) / {calls}) / {1 - OBJECTIVE:g}"


def now() -> tuple[str, list[Json]]:
    calls = f"sum({rate('resnetd_rpc_requests_total', SERVERS)})"
    bad = f"sum({rate('resnetd_rpc_requests_total', SERVERS + f',code=~{chr(34)}{FAULTS}{chr(34)}')})"
    return row(
        "Now",
        stat("Ready servers", "Servers that take calls: they have loaded their models and do "
             "not drain.", [target(f"sum(resnetd_ready{{{SERVERS}}})", "ready")], unit="none",
             thresholds=steps((None, RED), (1, GREEN))),
        stat("Calls", "Calls that end, of all methods and codes.", [target(calls, "calls")],
             unit="reqps", width=3),
        stat("Faults", f"Share of the calls that end with a code that is the server's fault: "
             f"{FAULTS.replace('|', ', ')}.",
             [target(f"({bad} or vector(0)) / {calls}", "faults")], unit="percentunit",
             decimals=2, width=3, thresholds=steps((None, GREEN), (0.001, YELLOW), (0.01, RED))),
        stat("p50", "Half of the classifications are answered within this time.",
             [target(quantile(0.5, "resnetd_rpc_duration_seconds", CLASSIFY), "p50")],
             unit="s", width=3),
        stat("p99", "99 of 100 classifications are answered within this time.",
             [target(quantile(0.99, "resnetd_rpc_duration_seconds", CLASSIFY), "p99")],
             unit="s", width=3,
             thresholds=steps((None, GREEN), (0.25, YELLOW), (1, RED))),
        stat("Fullest queue", "Images taken and not answered over the limit, of the fullest queue.",
             [target(f"max(resnetd_queue_depth_images{{{MODEL}}} / "
                     f"resnetd_queue_limit_images{{{MODEL}}})", "queue")],
             unit="percentunit", decimals=1,
             thresholds=steps((None, GREEN), (0.5, YELLOW), (0.8, RED))),
        stat("Error budget left", f"Of the faults that an objective of {OBJECTIVE:.1%} allows "
             "in the range of time shown, the share that is left. Below 0: it is missed.",
             [target(budget_left(), "left")], unit="percentunit", decimals=0,
             thresholds=steps((None, RED), (0, ORANGE), (0.5, GREEN))))


def rate_and_errors() -> tuple[str, list[Json]]:
    return row(
        "Rate and errors",
        timeseries("Calls by method", "Calls that end, by method.",
                   [target(f"sum by (method) ({rate('resnetd_rpc_requests_total', SERVERS)})",
                           "{{method}}")], unit="reqps", least=0, width=6),
        timeseries("Calls by code", "Calls that end with another code than OK. INVALID_ARGUMENT "
                   "and NOT_FOUND are the caller's, see the description of Faults.",
                   [target("sum by (code) ("
                           + rate("resnetd_rpc_requests_total", f'{SERVERS},code!="OK"') + ")",
                           "{{code}}")], unit="reqps", least=0, width=6),
        timeseries("Images by outcome", "Images answered; one call may bring several, each "
                   "with an outcome of its own.",
                   [target("sum by (outcome) (" + rate("resnetd_images_total", MODEL) + ")",
                           "{{outcome}}")], unit="imgps", least=0, width=6),
        timeseries("Calls in work", "Calls that have started and not ended. Watching calls are "
                   "among them as long as somebody watches.",
                   [target(f"sum by (method) (resnetd_rpc_in_flight{{{SERVERS}}})",
                           "{{method}}")], unit="none", least=0, width=6))


def latency() -> tuple[str, list[Json]]:
    return row(
        "Latency",
        heatmap("Classification", "How long classifications take, from the arrival of a call "
                "to its answer: each column the calls of its moment.",
                "sum by (le) (increase(resnetd_rpc_duration_seconds_bucket"
                f"{{{CLASSIFY}}}[$__rate_interval]))", unit="s"),
        timeseries("Classification, quantiles", "p50, p90 and p99. Diamonds are single calls "
                   "with the id of their trace, where callers send one.",
                   [target(quantile(share, "resnetd_rpc_duration_seconds", CLASSIFY), name,
                           exemplar=True)
                    for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))],
                   unit="s", least=0),
        timeseries("Where the time goes", "Mean time that an image spends in each stage; "
                   "stacked they are the way of an image.",
                   [target(mean("resnetd_stage_duration_seconds", MODEL, "stage"),
                           "{{stage}}")], unit="s", stacked=True, least=0))


def batching() -> tuple[str, list[Json]]:
    return row(
        "Batching",
        heatmap("Batch sizes", "Images in the batches that ran.",
                "sum by (le) (increase(resnetd_batch_size_images_bucket"
                f"{{{MODEL}}}[$__rate_interval]))", unit="none", width=6),
        timeseries("Images in a batch", "Mean size of the batches that ran. Near 1 there is "
                   "nothing to gather; near the largest batch the server is busy.",
                   [target(mean("resnetd_batch_size_images", MODEL, "model"), "{{model}}")],
                   unit="none", least=0, width=6),
        timeseries("How full batches are", "Images in the batches that ran, over the most that "
                   "there may be in one.",
                   [target(mean("resnetd_batch_fill_ratio", MODEL, "model"), "{{model}}")],
                   unit="percentunit", least=0, width=6),
        timeseries("Wait for a batch", "p95 of the time that images wait in the queue: the "
                   "signal to scale on.",
                   [target(quantile(0.95, "resnetd_stage_duration_seconds",
                                    f'{MODEL},stage="queue"', "model"), "{{model}}")],
                   unit="s", least=0, width=6,
                   band=steps((None, "transparent"), (0.05, YELLOW), (0.25, RED))),
        timeseries("Refused", "Calls and images that were refused, by reason. queue_full and "
                   "overloaded are load, quota, bad_image and too_large are callers.",
                   [target("sum by (reason) (" + rate("resnetd_rejected_total", MODEL) + ")",
                           "{{reason}}")], unit="ops", least=0, width=6),
        timeseries("Calls refused", "Calls that were refused before anything was computed, by "
                   "the limit that was reached; too_large ones can never fit.",
                   [target("sum by (reason) (" + rate("resnetd_rpc_refused_total", SERVERS)
                           + ")", "{{reason}}")], unit="ops", least=0, width=6),
        timeseries("Memory held by calls", "Requests, pixels and answers of the calls in work, "
                   "and how much they may be.",
                   [target(f"resnetd_rpc_held_bytes{{{SERVERS}}}", "{{instance}}: held"),
                    target(f"resnetd_rpc_held_limit_bytes{{{SERVERS}}}",
                           "{{instance}}: limit")], unit="bytes", least=0, width=6, log=False),
        timeseries("Why batches are not larger", "Batches a second: full ones are as large as "
                   "allowed, drained ones took all that waited, shared ones left the rest to "
                   "idle workers, those of deadline would have been late if larger.",
                   [target("sum by (reason) (" + rate("resnetd_batch_close_total", MODEL) + ")",
                           "{{reason}}")], unit="ops", least=0, width=6),
        timeseries("Deadlines missed", "Images whose deadline passed before they were decoded "
                   "or run (the work was saved), or while they ran (it was not).",
                   [target("sum by (stage) (" + rate("resnetd_deadline_missed_total", MODEL)
                           + ")", "{{stage}}")], unit="ops", least=0, width=6),
        timeseries("Decoders at work", "Share of the decoding threads' time.",
                   [target(rate("resnetd_decode_pool_busy_seconds_total", SERVERS)
                           + f" / resnetd_decode_pool_threads{{{SERVERS}}}", "{{instance}}")],
                   unit="percentunit", least=0, width=6),
        timeseries("Waiting for a decoder", "Images that wait for a thread to decode them.",
                   [target(f"resnetd_decode_pool_queue_images{{{SERVERS}}}", "{{instance}}")],
                   unit="none", least=0, width=6),
        timeseries("Queue", "Images taken and not answered yet, and how many may be.",
                   [target(f"sum by (model) (resnetd_queue_depth_images{{{MODEL}}})",
                           "{{model}}: in flight"),
                    target(f"sum by (model) (resnetd_queue_limit_images{{{MODEL}}})",
                           "{{model}}: limit")], unit="none", least=0, width=12, log=False),
        bar_chart("p99 by stage", "99 of 100 images pass the stage within this time.",
                  [(quantile(0.99, "resnetd_stage_duration_seconds", MODEL, "stage"), "p99")],
                  by="stage", unit="s", width=12, height=8))


def model() -> tuple[str, list[Json]]:
    return row(
        "Model",
        state_timeline("Versions that answer", "One row for each version that the alias stable "
                       "has named: coloured while it did.",
                       [target("max by (model, version) (resnetd_alias_info"
                               f'{{{MODEL},alias="stable"}})', "{{model}}@{{version}}")]),
        table("Versions that are loaded", "Each with its digest, as the servers tell.",
              [target(f"max by (instance, model, version, digest, arch, precision, backend) "
                      f"(resnetd_model_info{{{MODEL}}})")],
              columns={"model": "Model", "version": "Version", "arch": "Network",
                       "precision": "Precision", "backend": "Backend", "digest": "Digest",
                       "instance": "Server"}),
        timeseries("Swap", "Time from the commit of an alias to the first call that follows "
                   "it: p99 of the moves in the range of time shown.",
                   [target("histogram_quantile(0.99, sum by (le, model) (increase("
                           f"resnetd_model_swap_duration_seconds_bucket{{{MODEL}}}[$__range])))",
                           "{{model}}")], unit="s", least=0),
        timeseries("Loading", "Mean time from reading a version to its first finished batches, "
                   "in the range of time shown.",
                   [target("sum by (model) (increase("
                           f"resnetd_model_load_duration_seconds_sum{{{MODEL}}}[$__range])) / "
                           "sum by (model) (increase("
                           f"resnetd_model_load_duration_seconds_count{{{MODEL}}}[$__range]))",
                           "{{model}}")], unit="s", least=0),
        timeseries("Versions that did not load", "By the reason of the error; see the log for "
                   "its text.",
                   [target("sum by (reason) (increase("
                           f"resnetd_model_load_failures_total{{{SERVERS}}}[$__rate_interval]))",
                           "{{reason}}")], unit="none", least=0),
        timeseries("Refused precisions", "Versions that are not served in a precision that was "
                   "wanted; resnetctl models show says why, with the figures.",
                   [target("sum by (precision, reason) (increase("
                           f"resnetd_precision_refusals_total{{{SERVERS}}}[$__rate_interval]))",
                           "{{precision}}: {{reason}}")], unit="none", least=0),
        timeseries("Fallbacks", "How often backends computed otherwise than they were meant to, "
                   "in the time that is shown; metrics.md says what each reason means. "
                   "What is there at a start, as weaker kernels, the log says.",
                   [target("sum by (reason) (increase("
                           f"resnetd_engine_fallbacks_total{{{SERVERS}}}[$__range]))",
                           "{{reason}}")], unit="none", least=0))


def resources() -> tuple[str, list[Json]]:
    return row(
        "Resources",
        timeseries("Processor", "Cores in use by each server.",
                   [target(rate("process_cpu_seconds_total", SERVERS), "{{instance}}")],
                   unit="none", least=0, width=6),
        timeseries("Memory", "Resident memory of each server, and what its loaded versions "
                   "account for.",
                   [target(f"process_resident_memory_bytes{{{SERVERS}}}",
                           "{{instance}}: resident"),
                    target(f"sum by (owner) (resnetd_model_memory_bytes{{{SERVERS}}})",
                           "{{owner}}")], unit="bytes", least=0, width=6),
        timeseries("Store", "What the store takes and what its disk has left.",
                   [target(f"sum by (kind) (resnetd_store_size_bytes{{{SERVERS}}})",
                           "{{kind}}"),
                    target(f"min by (instance) (resnetd_store_free_bytes{{{SERVERS}}})",
                           "{{instance}}: free")], unit="bytes", least=0, width=6),
        timeseries("Files and threads", "Open files over their limit, and threads.",
                   [target(f"process_open_fds{{{SERVERS}}} / process_max_fds{{{SERVERS}}}",
                           "{{instance}}: files"),
                    target(f"process_threads{{{SERVERS}}}", "{{instance}}: threads")],
                   unit="none", least=0, width=6),
        timeseries("Beside training", "p99 of the classifications, and the share of the time "
                   "that training may use: it rests when answers get slow.",
                   [target(quantile(0.99, "resnetd_rpc_duration_seconds", CLASSIFY), "p99"),
                    target(f"max(resnetd_finetune_duty_ratio{{{SERVERS}}})", "training")],
                   unit="s", least=0, width=24,
                   overrides=[{"matcher": {"id": "byName", "options": "training"},
                               "properties": [{"id": "unit", "value": "percentunit"},
                                              {"id": "custom.axisPlacement",
                                               "value": "right"},
                                              {"id": "max", "value": 1}]}]))


def make(titles: dict[str, str]) -> Json:
    return dashboard(
        "resnetd-serving", titles["resnetd-serving"],
        "Calls, their errors, how long they take and why: one fleet of resnetd servers.",
        titles=titles,
        variables=[labels_of("model", "model", f"resnetd_queue_limit_images{{{SERVERS}}}",
                             described="Model")],
        rows=[now(), rate_and_errors(), latency(), batching(), model(), resources()])
