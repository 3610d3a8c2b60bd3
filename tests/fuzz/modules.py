"""The network of a case, made of the library's modules."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tests.fuzz.cases import Case, Layer, Shape, shape_after
from torch import Tensor, nn

from bitspike import functional, layer, neuron, surrogate
from bitspike.base import MemoryModule, StepModule

TABLE = neuron.FewSpikeTable([1.0, 0.5, 0.25], [1.0, 0.5, 0.25], [1.0, 0.5, 0.25])
LARGE = neuron.FewSpikeTable([2.0, 1.0, 0.5], [2.0, 1.0, 0.5], [2.0, 1.0, 0.5])


class Residual(nn.Module):
    """The sum of two chains on the same input."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


class Repeat(nn.Module):
    """The same chain several times in a row."""

    def __init__(self, body: nn.Module, times: int) -> None:
        super().__init__()
        self.body, self.times = body, times

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = self.body(x)
        return x


class View(StepModule, nn.Module):
    """What `Layer` says of ``Slice``, ``Double`` and ``Transpose``."""

    def __init__(self, view: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.view = view

    def forward(self, x: Tensor) -> Tensor:
        return self.view(x, 1 if self.step_mode == "s" else 2)


def view_of(one: Layer) -> Callable[[Tensor, int], Tensor] | None:
    """The view of a tensor whose channels are that axis; None if the layer is something else."""

    def sliced(x: Tensor, axis: int) -> Tensor:
        channels = slice(one.options["start"], None, one.options["step"])
        return x[:, channels] if axis == 1 else x[:, :, channels]

    def transposed(x: Tensor, axis: int) -> Tensor:
        return x.transpose(-1, -2)

    found: dict[str, Callable[[Tensor, int], Tensor]] = {
        "Slice": sliced,
        "Double": lambda x, axis: torch.cat([x, x], axis),
        "Transpose": transposed,
    }
    return found.get(one.kind)


def build(case: Case) -> nn.Sequential:
    """The network, with weights that make its neurons spike."""
    torch.manual_seed(case.seed)
    chain = layer.FusedSequential if case.variant == "fused" else nn.Sequential
    net = chain(*_modules(case.layers, case.features, case.T))
    functional.set_step_mode(net, case.step_mode)
    net.to(getattr(torch, case.dtype))
    set_numbers(net, case)
    net.train(case.training)
    for number in case.without_gradient:
        net[number].requires_grad_(False)
    if case.variant in ("save_memory", "chunks"):
        functional.save_memory(net, chunks=1 if case.variant == "save_memory" else 2)
    return net


def _modules(layers: Sequence[Layer], shape: Shape, T: int) -> list[nn.Module]:
    made = []
    for one in layers:
        made.append(_make(one, shape, T))
        shape = shape_after([one], shape)
    return made


def _make(one: Layer, shape: Shape, T: int) -> nn.Module:
    kind, options = one.kind, dict(one.options)
    if kind == "Residual":
        parts = [nn.Sequential(*_modules(options[k], shape, T)) for k in ("body", "shortcut")]
        return Residual(*parts)
    if kind == "Repeat":
        return Repeat(nn.Sequential(*_modules(options["body"], shape, T)), options["times"])
    view = view_of(one)
    if view is not None:
        return View(view)
    if "surrogate_function" in options:
        options["surrogate_function"] = _surrogate(*options["surrogate_function"])
    options |= _sizes(kind, shape, T, options)
    detach = options.pop("detach_reset", None) if kind == "CUBALIFNode" else None
    package = layer if hasattr(layer, kind) else neuron
    module: nn.Module = getattr(package, kind)(**options)
    if detach is not None:
        module.detach_reset = detach
    return module


def _surrogate(name: str, shape: dict[str, Any], learned: bool = False) -> nn.Module:
    """``learned``: the shape parameters are parameters."""
    options = dict(shape)
    if learned:
        options = {k: nn.Parameter(torch.tensor(v)) for k, v in options.items()}
    made: nn.Module = getattr(surrogate, name)(**options)
    return made


def _sizes(kind: str, shape: Shape, T: int, options: dict[str, Any]) -> dict[str, Any]:
    """Arguments that depend on what comes in."""
    if kind == "Linear":
        return {"in_features": shape[-1]}
    if kind.startswith("Conv"):
        return {"in_channels": shape[0]}
    if kind.startswith("BatchNorm"):
        return {"num_features": shape[0]}
    if kind in ("PSN", "MaskedPSN", "DSRIFNode", "DSRLIFNode"):
        return {"T": T}
    if kind == "GatedLIFNode":
        return {"T": T, "inplane": shape[0] if options.pop("per_channel") else None}
    if kind.startswith("Recurrent"):
        return {"features": shape[-1] if options.pop("connected") else None}
    if kind.startswith("ILC"):
        return {"act_dim": 1, "dec_pop_dim": shape[0]}
    if kind == "NoisyILCCUBALIFNode":
        return {"act_dim": 1, "dec_pop_dim": shape[0], "T": T, "is_training": False}
    if kind.startswith("Noisy"):
        return {"num_node": shape[0], "T": T, "is_training": False}
    if kind == "MPBNLIFNode":
        return {"out_channels" if len(shape) == 3 else "out_features": shape[0]}
    if kind == "FewSpikeNode":
        return {"table": TABLE}
    if kind == "HGNode":
        return {"tables": [TABLE, LARGE], "gate_thresholds": [1.0]}
    if kind == "OutlierAwareThresholdNode":
        return {"table": TABLE, "outlier_table": LARGE, "split_threshold": 1.0}
    if kind == "STBIFNode":
        return {"q_threshold": 0.5, "level": 8}
    if kind == "LIAFNode":
        return {"act": getattr(torch, options["act"])}
    if kind == "ActivationAwareIFNode":
        names = ("v_threshold", "v_offset")
        channels = shape[0]
        given = {k: options[k] for k in names}
        spread = {k: [v + 0.25 * (c % 3) for c in range(channels)] for k, v in given.items()}
        return {"channel_dim": 1, **(spread if options.pop("per_channel") else given)}
    return {}


@torch.no_grad()
def set_numbers(net: nn.Module, case: Case) -> None:
    """Weights, statistics and biases; a fixed function of the case's seed."""
    generator = torch.Generator().manual_seed(case.seed)
    rng = random.Random(case.seed)  # noqa: S311
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            fan = module.weight[0].numel()
            scale = 2.0 / fan**0.5
            for tensor in (module.weight, module.bias):
                if tensor is None:
                    continue
                random_ = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
                if case.dyadic:
                    tensor.copy_(torch.floor(random_ * 9) / 4 - 0.75)
                else:
                    tensor.copy_(scale * (2.2 * random_ - 0.9))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.3, 0.9),
                (module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 2.0),
            ):  # fmt: skip
                if tensor is not None:
                    random_ = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
                    tensor.copy_(low + (high - low) * random_)
        elif isinstance(module, neuron.RecurrentLIFNode | neuron.RecurrentSynapticNode):
            if module.features is None:
                module.weight.fill_(rng.choice([-0.5, 0.25, 0.5]))
        elif isinstance(module, neuron.KLIFNode):
            module.k.fill_(rng.choice([0.75, 1.0, 1.25]))


@torch.no_grad()
def change_numbers(net: nn.Module) -> None:
    """Other weights in the same memory, as an optimizer's step leaves them."""
    for parameter in net.parameters():
        parameter.mul_(0.75).add_(0.125)


def memories(net: nn.Module) -> dict[str, Any]:
    """The states of all neurons, by their qualified names."""
    return {
        f"{name}.{memory}": value
        for name, module in net.named_modules()
        if isinstance(module, MemoryModule)
        for memory, value in module.named_memories()
    }
