"""Dashboard "Gradient flow": how the gradient comes back through both paths of every
residual block, whether it fades, explodes or drowns in noise."""

from __future__ import annotations

from grafana.dashboard import dashboard, labels_of, row
from grafana.fine_tuning import PREFIX, alarm_timeline, beside_training, of_slot, slot_variable
from grafana.model import (BLOCK, GREEN, ORANGE, RED, SLOT, YELLOW, Json, bar_chart, override,
                           stat, status_history, steps, table, target, timeseries)
from grafana.serving import mean, rate

# The bounds of the alarms VANISHING, EXPLODING, FROZEN_UPDATES and LR_SUSPECT.
DEPTH_BAND = (1e-3, 1e3)
UPDATE_BAND = (1e-5, 1e-1)
FROZEN = 6e-8
SCHEME = "continuous-BlYlRd"


def of_blocks(name: str) -> str:
    return f"max by (slot, block) ({PREFIX}block_{name}{{{BLOCK}}})"


def now() -> tuple[str, list[Json]]:
    low, high = DEPTH_BAND
    return row(
        "Now",
        table("Job in the slot", "Whose gradients these are.",
              [target(f"max by (slot, train_job, model, base) ({of_slot('job_info')})")],
              columns={"slot": "Slot", "train_job": "Job", "model": "Model",
                       "base": "Version"}, width=6, height=4),
        stat("Depth ratio", "Norm of the gradient at the input of the first block over that "
             "of the last one. Healthy residual networks have 0.5 to 150; below "
             f"{low:g} it vanishes, above {high:g} it explodes.",
             [target(f"max by (slot) ({of_slot('grad_depth_ratio')})", "slot {{slot}}")],
             unit="none", width=4,
             thresholds=steps((None, RED), (low, GREEN), (high, RED))),
        stat("Gradient", "Norm of the whole gradient before clipping.",
             [target(f"max by (slot) ({of_slot('grad_global_l2')})", "slot {{slot}}")],
             unit="none", width=4),
        stat("Noise scale", "Examples in a batch at which signal and noise of the gradient "
             "are equal: much smaller batches mostly add noise, much larger ones gain little.",
             [target(f"max by (slot) ({of_slot('grad_noise_scale_examples')})",
                     "slot {{slot}}")], unit="none", width=4, decimals=0),
        stat("Alarms", "Alarms that are raised.",
             [target(f"sum({of_slot('alarm')})", "raised")], unit="none", width=3,
             thresholds=steps((None, GREEN), (1, RED))),
        stat("Blocks left out", "Blocks without series: of a network with more than 64 only "
             "every so many are shown.",
             [target(f"max({of_slot('blocks_omitted')})", "blocks")], unit="none", width=3))


def by_depth() -> tuple[str, list[Json]]:
    return row(
        "By depth, now",
        bar_chart("Gradient by depth, both paths",
                  "Norm of the gradient that comes back through the shortcut and through the "
                  "main path of each block; their sum is the gradient at its input. Input at "
                  "the left, output at the right.",
                  [(of_blocks("grad_shortcut_l2"), "shortcut"),
                   (of_blocks("grad_main_l2"), "main path")], by="block", unit="none",
                  log=True, width=12),
        bar_chart("Signal to noise by depth",
                  "Of the gradient of each block's parameters, for the batch size in use. "
                  "Look at it beside the norms: a large gradient may be noise alone, a small "
                  "one all signal.",
                  [(of_blocks("snr_ratio"), "signal / noise")], by="block", unit="none",
                  width=12))


def paths() -> tuple[str, list[Json]]:
    return row(
        "Both paths, block by time",
        status_history("Main path: gradient",
                       "log10 of the norm that comes back through the main path. Each row "
                       "is a block, the first at the top.",
                       f"log10({of_blocks('grad_main_l2')})", unit="none", legend="{{block}}",
                       color=SCHEME),
        status_history("Shortcut: gradient",
                       "log10 of the norm that comes back through the shortcut.",
                       f"log10({of_blocks('grad_shortcut_l2')})", unit="none",
                       legend="{{block}}", color=SCHEME),
        status_history("Share of the main path",
                       "Its share in the squared norms of both. About 0: the block passes the "
                       "gradient on and learns little itself; about 1: the shortcut is the "
                       "weak one.",
                       of_blocks("grad_main_share_ratio"), unit="percentunit",
                       legend="{{block}}", color=SCHEME, least=0, most=1),
        status_history("Cosine between both paths",
                       "About 0 at the beginning; above 0 they pull together, below 0 against "
                       "each other.",
                       of_blocks("grad_path_cosine"), unit="none", legend="{{block}}",
                       color=SCHEME, least=-1, most=1))


def flow() -> tuple[str, list[Json]]:
    low, high = DEPTH_BAND
    return row(
        "Norm beside noise, block by time",
        status_history("Gradient at the input of each block",
                       "log10 of the norm of the sum of both paths: what all earlier layers "
                       "learn from.",
                       f"log10({of_blocks('grad_input_l2')})", unit="none",
                       legend="{{block}}", color=SCHEME),
        status_history("Signal to noise of each block",
                       "Of the gradient of its parameters. Not above 0: indistinguishable from "
                       "noise.",
                       of_blocks("snr_ratio"), unit="none", legend="{{block}}",
                       thresholds=steps((None, RED), (0, ORANGE), (0.01, YELLOW), (0.1, GREEN)),
                       decimals=3),
        status_history("Vanishing and exploding",
                       "Gradient at the input of each block over the geometric mean of all: "
                       "how far each is from the middle, in powers of ten.",
                       f"log10({of_blocks('grad_input_l2')} / ignoring (block) group_left () "
                       f"exp(avg by (slot) (ln({of_blocks('grad_input_l2')}))))",
                       unit="none", legend="{{block}}",
                       thresholds=steps((None, RED), (-1.5, YELLOW), (-1, GREEN), (1, YELLOW),
                                        (1.5, RED))),
        timeseries("Depth ratio", "Gradient at the input of the first block over that of the "
                   f"last one, with the band of the alarms: {low:g} to {high:g}.",
                   [target(f"max by (slot) ({of_slot('grad_depth_ratio')})",
                           "slot {{slot}}")], unit="none", log=True, width=12,
                   band=steps((None, RED), (low, "transparent"), (high, RED))))


def updates() -> tuple[str, list[Json]]:
    low, high = UPDATE_BAND
    return row(
        "What the steps change",
        timeseries("Update over weights", "Norm of the change of a block's parameters by a "
                   f"step over their norm. About 0.001 is healthy, outside {low:g} to "
                   f"{high:g} the learning rate is suspect, below {FROZEN:g} float32 does not "
                   "change at all.",
                   [target(of_blocks("update_ratio"), "{{block}}")], unit="none", log=True,
                   width=12,
                   band=steps((None, RED), (low, "transparent"), (high, RED))),
        timeseries("Gradient of the parameters", "Norm of each block, before clipping. They "
                   "take the term of the main path alone: the sum is what earlier layers see.",
                   [target(of_blocks("weight_grad_l2"), "{{block}}")], unit="none", log=True,
                   width=12),
        timeseries("What a block adds", "Norm of the main path's output over that of the "
                   "shortcut's. Below 0.001 the block is next to an identity.",
                   [target(of_blocks("residual_ratio"), "{{block}}")], unit="none", log=True,
                   width=12),
        timeseries("Noise scale and batch", "Examples at which signal and noise are equal, "
                   "beside the batch that is in use.",
                   [target(f"max by (slot) ({of_slot('grad_noise_scale_examples')})",
                           "noise scale"),
                    target("sum by (slot) (" + rate(PREFIX + "examples_total", SLOT)
                           + ") / sum by (slot) (" + rate(PREFIX + "steps_total", SLOT) + ")",
                           "batch in use")], unit="none", log=True, width=12))


def around() -> tuple[str, list[Json]]:
    return row(
        "What comes of it",
        alarm_timeline(width=12, height=10),
        timeseries("Loss", "Mean cross entropy of the newest steps and evaluation.",
                   [target(f"max by (slot, split) ({of_slot('loss')})", "{{split}}")],
                   unit="none", log=True, width=6),
        timeseries("Accuracy", "Of all classes, and of those that the base knew.",
                   [target(f"max by (slot, split) ({of_slot('accuracy_ratio')})", "{{split}}"),
                    target(f"max by (slot) ({of_slot('old_class_accuracy_ratio')})",
                           "old classes")], unit="percentunit", most=1, width=6),
        timeseries("Time of a step", "Mean of each phase, and the share that measuring "
                   "gradients takes.",
                   [target(mean(PREFIX + "step_seconds", SLOT, "phase"), "{{phase}}"),
                    target("sum by (slot) (" + rate(PREFIX + "probe_seconds_total", SLOT) + ")",
                           "measuring")], unit="s", least=0, width=12,
                   overrides=[override("measuring", unit="percentunit",
                                       custom__axisPlacement="right")]),
        beside_training())


def make(titles: dict[str, str]) -> Json:
    block = labels_of("block", "block", f"{PREFIX}block_weight_grad_l2{{{SLOT}}}",
                      described="Residual block, by depth")
    return dashboard(
        "resnetd-gradient-flow", titles["resnetd-gradient-flow"],
        "How the gradient comes back through the shortcut and the main path of every residual "
        "block while a model is fine-tuned.",
        titles=titles, variables=[slot_variable(), block],
        rows=[now(), by_depth(), paths(), flow(), updates(), around()])
