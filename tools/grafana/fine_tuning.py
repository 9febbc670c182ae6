"""Dashboard "Fine-tuning": what a job does, how well, and what serving pays."""

from __future__ import annotations

from grafana.dashboard import dashboard, labels_of, row
from grafana.model import (BLUE, GREEN, ORANGE, RED, SERVERS, SLOT, YELLOW, Json, override,
                           panel, stat, state_timeline, steps, table, target, timeseries)
from grafana.serving import CLASSIFY, mean, quantile, rate

PREFIX = "resnetd_finetune_"


def of_slot(name: str, more: str = "") -> str:
    return f"{PREFIX}{name}{{{SLOT}{more}}}"


def slot_variable() -> Json:
    return labels_of("slot", "slot", f"{PREFIX}steps_total{{{SERVERS}}}", text="slot",
                     described="Where a job runs; the table says which one it is")


def alarm_timeline(width: int = 24, height: int = 9) -> Json:
    return state_timeline(
        "Alarms", "One row for each kind, red while it is raised. What each means and what "
        "to do: docs/runbooks.md.",
        [target(f"max by (slot, kind) ({of_slot('alarm')})", "{{kind}}")],
        mappings=[{"type": "value",
                   "options": {"0": {"text": "quiet", "color": GREEN, "index": 0},
                               "1": {"text": "raised", "color": RED, "index": 1}}}],
        thresholds=steps((None, GREEN), (1, RED)), width=width, height=height)


def beside_training(width: int = 12) -> Json:
    return timeseries(
        "Serving beside training", "p99 of the classifications, the share of the time that "
        "training may use, and how much slower answers are beside it.",
        [target(quantile(0.99, "resnetd_rpc_duration_seconds", CLASSIFY), "p99"),
         target(f"max by (slot) ({of_slot('duty_ratio')})", "training may use"),
         target(f"max(resnetd_serving_slowdown_ratio{{{SERVERS}}})", "slowdown")],
        unit="s", least=0, width=width,
        overrides=[override("training may use", unit="percentunit",
                            custom__axisPlacement="right", max=1),
                   override("slowdown", unit="none", custom__axisPlacement="right")])


def job() -> tuple[str, list[Json]]:
    progress = panel(
        "gauge", "Progress", "Optimiser steps done over those to do.",
        [target(f"max by (slot) ({of_slot('step')} / {of_slot('step_limit')})",
                "slot {{slot}}")],
        unit="percentunit", width=4, height=6,
        defaults={"min": 0, "max": 1, "color": {"mode": "thresholds"},
                  "thresholds": steps((None, BLUE), (1, GREEN))},
        options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                 "showThresholdLabels": False, "showThresholdMarkers": False})
    return row(
        "Job",
        table("Job in the slot", "Number, model, the version it starts from (none: from "
              "scratch) and the hash of its settings.",
              [target(f"max by (slot, train_job, model, base, config_hash) "
                      f"({of_slot('job_info')})")],
              columns={"slot": "Slot", "train_job": "Job", "model": "Model",
                       "base": "Version", "config_hash": "Settings"}, width=12, height=6),
        progress,
        state_timeline("State", "Where the job in the slot is: VALIDATING, PREPARING, "
                       "RUNNING, EVALUATING.",
                       [target(f"max by (slot, state) ({of_slot('job_state')})",
                               "{{state}}")], width=8, height=6),
        stat("Waiting", "Jobs that are not done, in all states.",
             [target(f"sum(resnetd_finetune_queue_jobs{{{SERVERS}}})", "jobs")], unit="none"),
        stat("Ended well", "Jobs that have made a version, in the range of time shown.",
             [target("sum(increase(resnetd_finetune_jobs_total"
                     f'{{{SERVERS},state="SUCCEEDED"}}[$__range]))', "jobs")],
             unit="none", decimals=0, thresholds=steps((None, GREEN))),
        stat("Failed", "Jobs that failed, in the range of time shown; resnetctl train show "
             "says why.",
             [target("sum(increase(resnetd_finetune_jobs_total"
                     f'{{{SERVERS},state="FAILED"}}[$__range]))', "jobs")],
             unit="none", decimals=0, thresholds=steps((None, GREEN), (1, RED))),
        table("Promotions that jobs asked for", "What became of them, in the range of time "
              "shown: promoted, gate_not_passed, failed, rolled_back.",
              [target("sum by (result) (increase(resnetd_finetune_promotions_total"
                      f"{{{SERVERS}}}[$__range]))")],
              columns={"result": "Result", "Value": "Promotions"}, width=12, height=6))


def quality() -> tuple[str, list[Json]]:
    return row(
        "Quality",
        timeseries("Loss", "Mean cross entropy: of the newest steps, and of the newest "
                   "evaluation. Diverging lines are overfitting.",
                   [target(f"max by (slot, split) ({of_slot('loss')})", "{{split}}")],
                   unit="none", log=True),
        timeseries("Accuracy", "Share of the pictures that is right, and of those of the "
                   "classes that the base knew: a fall there is forgetting.",
                   [target(f"max by (slot, split) ({of_slot('accuracy_ratio')})",
                           "{{split}}"),
                    target(f"max by (slot) ({of_slot('old_class_accuracy_ratio')})",
                           "old classes")], unit="percentunit", most=1),
        timeseries("Calibration error", "How far confidence is from accuracy on the "
                   "validation pictures.",
                   [target(f"max by (slot) ({of_slot('calibration_error_ratio')})",
                           "slot {{slot}}")], unit="percentunit", least=0))


def speed() -> tuple[str, list[Json]]:
    return row(
        "Speed",
        timeseries("Pictures", "Pictures that steps were about, a second.",
                   [target("sum by (slot) (" + rate(PREFIX + "examples_total", SLOT) + ")",
                           "slot {{slot}}")], unit="imgps", least=0, width=6),
        timeseries("Steps", "Optimiser steps a second.",
                   [target("sum by (slot) (" + rate(PREFIX + "steps_total", SLOT) + ")",
                           "slot {{slot}}")], unit="ops", least=0, width=6),
        timeseries("Time of a step", "Mean of each phase; stacked they are a step. data is "
                   "reading and augmenting pictures, probe the measuring of gradients.",
                   [target(mean(PREFIX + "step_seconds", SLOT, "phase"), "{{phase}}")],
                   unit="s", stacked=True, least=0, width=6),
        timeseries("Measuring gradients", "Share of the time that training spends on it.",
                   [target("sum by (slot) (" + rate(PREFIX + "probe_seconds_total", SLOT) + ")",
                           "slot {{slot}}")], unit="percentunit", least=0, width=6,
                   band=steps((None, "transparent"), (0.02, YELLOW), (0.04, RED))),
        timeseries("Learning rate", "Of each group of parameters.",
                   [target(f"max by (slot, group) ({of_slot('learning_rate')})",
                           "{{group}}")], unit="none", log=True, width=6),
        timeseries("Gradient", "Norm of the whole gradient before clipping.",
                   [target(f"max by (slot) ({of_slot('grad_global_l2')})", "slot {{slot}}")],
                   unit="none", log=True, width=6),
        timeseries("Clipped and void steps", "Steps a second whose gradient was scaled down, "
                   "and those that were not finite and changed nothing.",
                   [target("sum by (slot) (" + rate(PREFIX + "clipped_steps_total", SLOT) + ")",
                           "clipped"),
                    target("sum by (slot) (" + rate(PREFIX + "nonfinite_steps_total", SLOT)
                           + ")", "not finite")], unit="ops", least=0, width=6),
        timeseries("Rejected pictures", "Uploaded pictures that datasets did not take, by cause.",
                   [target("sum by (code) (increase(" + PREFIX + "examples_rejected_total"
                           + f"{{{SERVERS}}}[$__range]))",
                           "{{code}}")], unit="none", least=0, width=6),
        timeseries("Checkpoint and recovery", "Age of the newest checkpoint: what a crash would "
                   "cost. Returns to a checkpoint are counted.",
                   [target(f"time() - max by (slot) "
                           f"({of_slot('checkpoint_timestamp_seconds')})",
                           "age of the checkpoint"),
                    target(f"time() - max by (slot) "
                           f"({of_slot('last_step_timestamp_seconds')})",
                           "since the last step"),
                    target("sum by (slot) (increase("
                           + of_slot("recoveries_total") + "[$__range]))", "returns")],
                   unit="s", least=0, width=6,
                   overrides=[override("returns", unit="none",
                                       custom__axisPlacement="right")]))


def beside_serving() -> tuple[str, list[Json]]:
    return row(
        "Beside serving",
        beside_training(),
        timeseries("Time given to serving", "Share of the time that training rested because "
                   "answers got slow or many waited.",
                   [target("sum by (slot) ("
                           + rate(PREFIX + "throttled_seconds_total", SLOT) + ")",
                           "rested")], unit="percentunit", least=0, most=1, width=6),
        timeseries("Checkpoints", "Saved, a minute.",
                   [target("60 * sum by (slot) ("
                           + rate(PREFIX + "checkpoints_total", SLOT) + ")",
                           "slot {{slot}}")], unit="none", least=0, width=6))


def alarms() -> tuple[str, list[Json]]:
    return row("Alarms", alarm_timeline(),
               timeseries("Slower answers", "p99 beside training over that without; more "
                          "than 1.3 for long is an alert.",
                          [target("max by (instance) "
                                  f"(resnetd_serving_slowdown_ratio{{{SERVERS}}})",
                                  "{{instance}}")], unit="none", least=0, width=24,
                          band=steps((None, "transparent"), (1.3, ORANGE), (2, RED))))


def make(titles: dict[str, str]) -> Json:
    return dashboard(
        "resnetd-fine-tuning", titles["resnetd-fine-tuning"],
        "The job that trains: how far, how well, how fast, and what serving pays for it.",
        titles=titles, variables=[slot_variable()],
        rows=[job(), quality(), speed(), beside_serving(), alarms()])
