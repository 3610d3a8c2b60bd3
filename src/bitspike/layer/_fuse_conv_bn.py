"""Put a batch normalisation into the weights of the layer before it."""

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import fx, nn

from bitspike.base import StepModule, is_chain

_PAIRS: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nn.Conv1d, nn.BatchNorm1d),
    (nn.Conv2d, nn.BatchNorm2d),
    (nn.Conv3d, nn.BatchNorm3d),
    (nn.ConvTranspose1d, nn.BatchNorm1d),
    (nn.ConvTranspose2d, nn.BatchNorm2d),
    (nn.ConvTranspose3d, nn.BatchNorm3d),
    (nn.Linear, nn.BatchNorm1d),
)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# What a subclass may add and still compute what torch's class computes.
_HARMLESS = {"_axes", "_check", "_ranks", "_sequence", "extra_repr"}

Pair = tuple[nn.Module, nn.Module]


def fuse_conv_bn(net: nn.Module) -> nn.Module:
    """A copy of ``net`` whose batch normalisations are part of the layers before them.

    ``W' = W gamma / sqrt(var + eps)``, ``b' = (b - mean) gamma / sqrt(var + eps) + beta``; in
    place of the normalisation stands an ``nn.Identity``. Outputs are the same up to rounding, and
    inference does less.

    Fused are convolutions, transposed convolutions and linear layers, torch's or bitspike's, whose
    output goes to one BatchNorm and nowhere else: neighbours in an ``nn.Sequential`` or a
    container, and wherever ``torch.fx`` can follow the forward pass. Subclasses that compute
    something else, layers that are used more than once, and pairs with different step modes stay
    as they are.

    Args:
        net: a network in evaluation mode; it is not changed.

    Returns:
        The copy, of the same class.

    Raises:
        ValueError: if ``net`` is in training mode, or a BatchNorm to be fused has no running
            statistics.
    """
    if net.training:
        raise ValueError(
            "fuse_conv_bn: the network is in training mode, where BatchNorm takes its statistics "
            "from the batch; call net.eval() first"
        )
    fused = copy.deepcopy(net)
    uses = Counter(id(m) for _, m in fused.named_modules(remove_duplicate=False))
    names = {id(m): name for name, m in fused.named_modules()}
    for layer, norm in _pairs(fused):
        if uses[id(layer)] == uses[id(norm)] == 1:
            fuse(layer, norm, names[id(norm)], "fuse_conv_bn")
            put(fused, names[id(norm)], nn.Identity())
    return fused


def _pairs(net: nn.Module) -> list[Pair]:
    """The pairs to fuse, each once."""
    found = {(id(a), id(b)): (a, b) for a, b in _neighbours(net)}
    calls, followed = _trace(net)
    found |= {(id(a), id(b)): (a, b) for a, b in followed}
    layers = Counter(a for a, _ in found)
    norms = Counter(b for _, b in found)
    return [
        pair
        for (a, b), pair in found.items()
        if layers[a] == norms[b] == 1 and calls.get(a, 1) == calls.get(b, 1) == 1
    ]


def _neighbours(net: nn.Module) -> Iterator[Pair]:
    for module in net.modules():
        if isinstance(module, nn.Sequential) and (
            is_chain(module) or isinstance(module, StepModule)
        ):
            yield from (pair for pair in pairwise(module) if _match(*pair))


class Tracer(fx.Tracer):
    """Follows a forward pass; modules with a step mode are one call."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, StepModule) and m is not self.root
        return leaf or super().is_leaf_module(m, module_qualified_name)


def _trace(net: nn.Module) -> tuple[dict[int, int], list[Pair]]:
    """How often each module's output is needed or made, and pairs; nothing if fx cannot follow."""
    try:
        graph = Tracer().trace(copy.deepcopy(net))  # the forward pass may leave things behind
    except Exception:  # it may raise anything, too
        return {}, []
    modules = dict(net.named_modules(remove_duplicate=False))
    nodes = [node for node in graph.nodes if node.op == "call_module"]
    calls = Counter(id(modules[str(node.target)]) for node in nodes)
    pairs = []
    for node in nodes:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        layer, norm = modules[str(before.target)], modules[str(node.target)]
        if _match(layer, norm):
            pairs.append((layer, norm))
            if len(before.users) > 1:
                calls[id(layer)] += 1
    return dict(calls), pairs


def _match(layer: nn.Module, norm: nn.Module) -> bool:
    return is_pair(layer, norm) and not norm.training and mode(layer) == mode(norm)


def is_pair(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether ``norm`` is a batch normalisation that fits the output of ``layer``."""
    return any(
        _computes_as(layer, kind) and _computes_as(norm, norm_kind) for kind, norm_kind in _PAIRS
    )


def mode(module: nn.Module) -> str | None:
    """The step mode; None for a module without."""
    return module.step_mode if isinstance(module, StepModule) else None


def _computes_as(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether ``module`` is of that class of torch, or of a subclass that computes the same."""
    mro = type(module).__mro__
    if kind not in mro or module._forward_hooks or module._forward_pre_hooks:
        return False
    own = [cls for cls in mro[: mro.index(kind)] if issubclass(cls, nn.Module)]
    added = {name for cls in own for name in vars(cls) if not name.startswith("__")}
    return added <= _HARMLESS


def fuse(layer: Any, norm: Any, name: str, function: str) -> None:
    """Gives ``layer`` the weights that do the work of ``norm`` as well."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            f"{function}: '{name}' has no running statistics (track_running_stats=False), so "
            "that its output depends on the batch"
        )
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias
    weight = layer.weight
    if isinstance(layer, _TRANSPOSED):  # [in, out / groups, ...]
        by_group = scale.reshape(layer.groups, 1, -1).expand(-1, len(weight) // layer.groups, -1)
        factor = by_group.flatten(0, 1)
    else:
        factor = scale.unsqueeze(1)
    factor = factor.reshape(*factor.shape, *(1 for _ in weight.shape[2:]))
    # New parameters: the old ones may be tied to another layer's.
    layer.weight = nn.Parameter((weight * factor).detach(), weight.requires_grad)
    layer.bias = nn.Parameter(bias.detach().to(weight.dtype), weight.requires_grad)


def put(net: nn.Module, name: str, module: nn.Module) -> None:
    """Puts ``module`` into ``net`` under that qualified name."""
    parent, _, child = name.rpartition(".")
    net.get_submodule(parent).register_module(child, module)
