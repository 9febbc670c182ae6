#!/usr/bin/env python3
"""Writes tests/golden/trainer: what a few small trainings must compute.

Every training is done by PyTorch in float64, with torch.optim and a network of
tools/reference_networks.py: the oracle of server/nn/torch_trainer.h. The format
is in tests/golden/trainer/README.md.

    tests/oracle/trainer_golden.py [--check]
"""

import argparse
import dataclasses
import pathlib
import sys

import numpy as np
import safetensors.numpy
import torch
from torch.nn import functional

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import reference_networks  # noqa: E402
import weight_fill  # noqa: E402

FOLDER = ROOT / "tests/golden/trainer"
PARTS = ("stem", "layer1", "layer2", "head")
CLASSES, SIDE, PLANES, STEPS = 4, 8, 2, 3
MEAN, STD = 0.5, 0.25
CHECK_TOLERANCE = 1e-12


@dataclasses.dataclass(frozen=True)
class Case:
    """One training; the fields are those of TrainerOptions."""

    pre_activation: bool = False
    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    freeze_norms: bool = False
    trained: tuple[int, ...] = (1, 1, 1, 1)
    rates: tuple[float, ...] = (0.05, 0.05, 0.05, 0.05)
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    l2_sp: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    stochastic_depth: float = 0.0
    mix: float = 1.0
    batches: tuple[int, ...] = (6,)
    # StepSettings::by_gradients.
    by_gradients: bool = False


CASES = {
    "sgd": Case(weight_decay=0.01, label_smoothing=0.1),
    "sgd_v2": Case(pre_activation=True, nesterov=False, weight_decay=0.01),
    "plain_sgd": Case(momentum=0.0, rates=(0.3, 0.2, 0.1, 0.4)),
    "adamw": Case(optimizer="adamw", weight_decay=0.05,
                  rates=(0.01, 0.01, 0.01, 0.02)),
    "class_weights": Case(class_weights=(1.0, 2.0, 0.5, 3.0),
                          label_smoothing=0.1),
    "frozen_prefix": Case(trained=(0, 0, 1, 1), rates=(9.0, 9.0, 0.05, 0.2),
                          weight_decay=0.01),
    "frozen_middle": Case(trained=(1, 0, 1, 0)),
    "clip": Case(clip_norm=0.1),
    "ema": Case(ema=0.8),
    "l2_sp": Case(l2_sp=0.5, rates=(0.2, 0.2, 0.2, 0.2)),
    "accumulate_frozen": Case(freeze_norms=True, batches=(2, 4, 3),
                              class_weights=(1.0, 2.0, 0.5, 3.0)),
    "accumulate": Case(batches=(2, 4, 3)),
    "mixup": Case(mix=0.7),
    "stochastic_depth": Case(stochastic_depth=0.5, batches=(5, 5)),
    "auto_rgn": Case(by_gradients=True, weight_decay=0.01, l2_sp=0.1,
                     clip_norm=0.1, rates=(0.2, 0.1, 0.1, 0.4)),
}


def filled(case: Case) -> torch.nn.Module:
    shape = reference_networks.Shape((1, 1), False, case.pre_activation, True,
                                     PLANES, CLASSES)
    model = reference_networks.ResidualNetwork(shape).double()
    state = {
        key: torch.zeros_like(tensor)
        if key.endswith(".num_batches_tracked")
        else torch.from_numpy(weight_fill.fill(key, tuple(tensor.shape)))
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def part_of(name: str) -> int:
    first = name.split(".")[0]
    if first in PARTS:
        return PARTS.index(first)
    return {"fc": 3, "bn_last": 2}.get(first, 0)


def pictures(first: int, count: int) -> torch.Tensor:
    """Pictures number first, first + 1, ... as the network sees them."""
    rows = [
        weight_fill.picture(number, SIDE)
        for number in range(first, first + count)
    ]
    values = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float()
    return ((values / 255 - MEAN) / STD).double()


def factors(case: Case, seed: int, block: int, count: int) -> torch.Tensor:
    """What the main paths are multiplied by: see server/nn/path_factors.h."""
    mask, step = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    chance = case.stochastic_depth * block  # Of two blocks.
    of_block = mix((seed + (block + 1) * step) & mask)
    draws = [
        (mix((of_block + (i + 1) * step) & mask) >> 11) * 2.0**-53
        for i in range(count)
    ]
    kept = [0.0 if u < chance else 1 / (1 - chance) for u in draws]
    return torch.tensor(kept, dtype=torch.float64)[:, None, None, None]


def drop_paths(model: torch.nn.Module, case: Case, seed: int,
               count: int) -> list:
    """Hooks on the last layer of each main path, for one forward pass."""
    if case.stochastic_depth == 0:
        return []
    return [
        getattr(model, f"layer{block + 1}")[0].bn2.register_forward_hook(
            lambda _module, _inputs, output, scale=factors(
                case, seed, block, count): output * scale)
        for block in range(2)
    ]


class Watched:
    """A residual block whose two paths are told apart where they part."""

    def __init__(self, block: torch.nn.Module) -> None:
        self.block = block
        self.passes: list[dict[str, torch.Tensor]] = []
        block.forward = self.forward

    def main(self, x: torch.Tensor, first_is_active: bool) -> torch.Tensor:
        block = self.block
        for index in range(1, block.units + 1):
            convolution, norm = block.unit(index)
            if not block.pre_activation:
                x = norm(convolution(x))
                x = functional.relu(x) if index < block.units else x
            else:
                if index > 1 or not first_is_active:
                    x = functional.relu(norm(x))
                x = convolution(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        block = self.block
        projects = hasattr(block, "downsample")
        late = projects and block.pre_activation
        fork = functional.relu(block.bn1(x)) if late else x
        ends = {"input": fork, "main": fork.view_as(fork),
                "shortcut": fork.view_as(fork)}
        main = self.main(ends["main"], late)
        shortcut = (block.downsample(ends["shortcut"])
                    if projects else ends["shortcut"])
        ends["sum"] = main + shortcut
        if fork.requires_grad:
            for end in ends.values():
                end.retain_grad()
            outputs = {"F": main.detach(), "S": shortcut.detach()}
            self.passes.append(ends | outputs)
        total = ends["sum"]
        return total if block.pre_activation else functional.relu(total)

    def numbers(self, drops_paths: bool) -> list[float]:
        """Norms of shortcut, main, input and sum, cosine, |F| / |S|."""
        passes, self.passes = self.passes, []
        if not passes:
            return [float("nan")] * 6

        def whole(end: str) -> torch.Tensor:
            parts = [one[end] if end in "FS" else one[end].grad
                     for one in passes]
            return torch.cat([part.flatten() for part in parts])

        shortcut, main = whole("shortcut"), whole("main")
        product = (shortcut.norm() * main.norm()).item()
        cosine = shortcut.dot(main).item() / product if product > 0 else 0
        # F would have to be known before what drops it.
        ratio = (float("nan") if drops_paths
                 else (whole("F").norm() / whole("S").norm()).item())
        return [shortcut.norm().item(), main.norm().item(),
                whole("input").norm().item(), whole("sum").norm().item(),
                cosine, ratio]


class Training:
    """A network, its optimiser and what is to be remembered."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.model = filled(case)
        self.trained = {
            name: parameter
            for name, parameter in self.model.named_parameters()
            if case.trained[part_of(name)]
        }
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        for parameter in self.trained.values():
            parameter.requires_grad_(True)
        self.first = {
            name: parameter.detach().clone()
            for name, parameter in self.trained.items()
        }
        groups = [
            {
                "params": [parameter],
                "lr": case.rates[part_of(name)],
                "weight_decay": case.weight_decay if parameter.dim() > 1 else 0,
            }
            for name, parameter in self.trained.items()
        ]
        if case.optimizer == "adamw":
            self.optimizer = torch.optim.AdamW(
                groups, betas=(case.beta1, case.beta2), eps=case.epsilon)
        else:
            self.optimizer = torch.optim.SGD(
                groups, momentum=case.momentum,
                nesterov=case.nesterov and case.momentum != 0)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(case.ema))
        # Its first update would copy instead.
        self.average.n_averaged += 1
        self.watched = [Watched(getattr(self.model, f"layer{stage}")[0])
                        for stage in (1, 2)]

    def set_modes(self) -> None:
        for name, module in self.model.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train(bool(self.case.trained[part_of(name)])
                             and not self.case.freeze_norms)

    def logits(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of all batches of a step, and the labels."""
        outputs, labels = [], []
        first = 100 * step
        for count in self.case.batches:
            shown = pictures(first, count)
            if self.case.mix < 1:
                shown = (self.case.mix * shown
                         + (1 - self.case.mix) * shown.roll(-1, 0))
            hooks = drop_paths(self.model, self.case, first, count)
            outputs.append(self.model(shown))
            for hook in hooks:
                hook.remove()
            labels += [n % CLASSES for n in range(first, first + count)]
            first += count
        return torch.cat(outputs), torch.tensor(labels)

    def loss(self, step: int) -> torch.Tensor:
        case = self.case
        logits, labels = self.logits(step)

        def entropy(targets: torch.Tensor) -> torch.Tensor:
            weight = (torch.tensor(case.class_weights, dtype=torch.float64)
                      if case.class_weights else None)
            return functional.cross_entropy(
                logits, targets, weight=weight,
                label_smoothing=case.label_smoothing)

        if case.mix == 1:
            return entropy(labels)
        return (case.mix * entropy(labels)
                + (1 - case.mix) * entropy(labels.roll(-1)))

    def pull(self) -> torch.Tensor:
        squares = [
            (parameter - self.first[name]).square().sum()
            for name, parameter in self.trained.items()
            if part_of(name) != 3
        ]
        return self.case.l2_sp / 2 * torch.stack(squares).sum()

    def scale_rates(self) -> None:
        """Auto-RGN, by part: the rate follows |gradient| / |weights|."""
        def norm(tensors) -> float:
            return torch.nn.utils.parameters_to_vector(tensors).norm().item()

        self.part_norms = [(0.0, 0.0)] * len(PARTS)
        for part in range(len(PARTS)):
            names = [name for name in self.trained if part_of(name) == part]
            self.part_norms[part] = (
                norm([self.gradients[name] for name in names]),
                norm([self.trained[name].detach() for name in names]))
        ratios = [gradient / weights for gradient, weights in self.part_norms]
        for group, name in zip(self.optimizer.param_groups, self.trained):
            part = part_of(name)
            group["lr"] = self.case.rates[part] * ratios[part] / max(ratios)

    def step(self, number: int) -> tuple[float, float]:
        """Loss and norm of the gradient; the gradient stays unclipped."""
        self.set_modes()
        self.optimizer.zero_grad()
        loss = self.loss(number)
        loss.backward()
        self.paths = [block.numbers(self.case.stochastic_depth > 0)
                      for block in self.watched]
        plain = {
            name: parameter.grad.clone()
            for name, parameter in self.trained.items()
        }
        before = {
            name: parameter.detach().clone()
            for name, parameter in self.trained.items()
        }
        if self.case.l2_sp > 0:
            self.pull().backward()
        self.gradients = {
            name: parameter.grad.clone()
            for name, parameter in self.trained.items()
        }
        if self.case.by_gradients:
            self.scale_rates()
        limit = self.case.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), limit)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.block_norms = self.parameter_norms(plain, before)
        return loss.item(), norm.item()

    def parameter_norms(self, gradients: dict, before: dict) -> list:
        """Of each block and of everything: of gradient, weights and update,
        and the share of zeros in the gradient."""
        rows = []
        for prefix in ("layer1.0.", "layer2.0.", ""):
            names = [name for name in self.trained if name.startswith(prefix)]
            if not names:
                rows.append([float("nan")] * 4)
                continue

            def flat(values: dict, chosen: list = names) -> torch.Tensor:
                return torch.cat([values[name].detach().flatten()
                                  for name in chosen])

            gradient, weights = flat(gradients), flat(before)
            rows.append([gradient.norm().item(), weights.norm().item(),
                         (flat(self.trained) - weights).norm().item(),
                         (gradient == 0).double().mean().item()])
        return rows

    def moments(self) -> dict[str, torch.Tensor]:
        names = {"momentum_buffer": "momentum", "exp_avg": "exp_avg",
                 "exp_avg_sq": "exp_avg_sq"}
        return {
            f"{names[key]}.{name}": value
            for name, parameter in self.trained.items()
            for key, value in self.optimizer.state[parameter].items()
            if key in names and value is not None
        }

    def estimate(self) -> dict[str, torch.Tensor]:
        """Running statistics of the means, estimated anew."""
        torch.optim.swa_utils.update_bn(
            [pictures(0, 4), pictures(4, 6)], self.average.module)
        return {
            key: value for key, value in self.average.module.state_dict().items()
            if "running" in key
        }


def golden(case: Case) -> dict[str, np.ndarray]:
    training = Training(case)
    tensors: dict[str, torch.Tensor] = {}

    def keep(prefix: str, values: dict[str, torch.Tensor]) -> None:
        for name, value in values.items():
            if not name.endswith("num_batches_tracked"):
                tensors[f"{prefix}/{name}"] = value.detach().clone()

    reports, part_norms, paths, block_norms = [], [], [], []
    for number in range(STEPS):
        reports.append(training.step(number))
        paths.append(training.paths)
        block_norms.append(training.block_norms)
        if case.by_gradients:
            part_norms.append(training.part_norms)
        if number == 0:
            keep("first", training.model.state_dict())
            # What differs only later has the gradients of others here.
            if not (case.clip_norm or case.ema or case.l2_sp):
                keep("gradient", training.gradients)
    keep("last", training.model.state_dict())
    keep("optimizer", training.moments())
    if case.ema:
        keep("means", dict(training.average.module.named_parameters()))
        keep("estimated", training.estimate())
    tensors["loss"], tensors["gradient_norm"] = torch.tensor(
        reports, dtype=torch.float64).t()
    tensors["paths"] = torch.tensor(paths, dtype=torch.float64)
    tensors["block_norms"] = torch.tensor(block_norms, dtype=torch.float64)
    if part_norms:
        tensors["part_norms"] = torch.tensor(part_norms, dtype=torch.float64)
    return {name: value.contiguous().numpy() for name, value in tensors.items()}


def metadata(case: Case) -> dict[str, str]:
    def text(value) -> str:
        if isinstance(value, tuple):
            return " ".join(str(item) for item in value)
        return str(int(value)) if isinstance(value, bool) else str(value)

    # by_gradients is told by the tensor part_norms.
    return {key: text(value) for key, value in dataclasses.asdict(case).items()
            if key != "by_gradients"}


def differences(path: pathlib.Path, expected: dict[str, np.ndarray]) -> list:
    found = safetensors.numpy.load_file(path)
    if found.keys() != expected.keys():
        return sorted(found.keys() ^ expected.keys())
    return [
        name for name, value in expected.items()
        if not np.allclose(found[name], value, rtol=0, equal_nan=True,
                           atol=CHECK_TOLERANCE
                           * max(1, np.nanmax(np.abs(value), initial=0)))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true",
                        help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    bad = 0
    for name, case in CASES.items():
        path = FOLDER / f"{name}.safetensors"
        tensors = golden(case)
        if check:
            for tensor in differences(path, tensors):
                bad += 1
                print(f"{name}: {tensor} differs")
        else:
            path.write_bytes(safetensors.numpy.save(tensors, metadata(case)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
