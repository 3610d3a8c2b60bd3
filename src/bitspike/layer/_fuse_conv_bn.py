"""Put a batch normalisation into the weights of the layer before it."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitspike.base import StepModule, is_chain, seq_to_ann_forward, step_axes
from bitspike.layer import _linear, _normalisation

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORM_OF: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
    nn.ConvTranspose1d: nn.BatchNorm1d,
    nn.ConvTranspose2d: nn.BatchNorm2d,
    nn.ConvTranspose3d: nn.BatchNorm3d,
    nn.Linear: nn.BatchNorm1d,
}
# Classes that compute what the class of torch does: torch's, and bitspike's of the same name.
_KNOWN = {
    *_NORM_OF, *(getattr(_linear, kind.__name__) for kind in _NORM_OF),
    *_NORM_OF.values(), *(getattr(_normalisation, kind.__name__) for kind in _NORM_OF.values()),
}  # fmt: skip
_TENSORS = ("weight", "bias", "running_mean", "running_var")

Calls = Counter[str]
Pairs = dict[tuple[str, str], list[fx.Node]]


def fuse_conv_bn(net: nn.Module) -> nn.Module:
    """Return a copy of ``net`` whose batch normalisations are part of the layers before them.

    ``W' = W gamma / sqrt(var + eps)``, ``b' = (b - mean) gamma / sqrt(var + eps) + beta``; an
    ``nn.Identity`` takes the place of the normalisation. Outputs are the same up to rounding, and
    inference computes less.

    The layers fused are convolutions, transposed convolutions and linear layers, torch's or
    bitspike's, whose output goes to one BatchNorm and nowhere else: neighbours in an
    ``nn.Sequential`` or a container, and wherever ``torch.fx`` can follow the forward pass.
    Subclasses that override a method, layers that are used more than once, and pairs with
    different step modes stay as they are.

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
    uses = Counter(module for _, module in fused.named_modules(remove_duplicate=False))
    try:
        graph = _trace(fused)
    except Exception:  # a forward pass that torch.fx cannot follow may raise anything
        graph = fx.Graph()
    calls, pairs = _calls_and_pairs(fused, graph, _fits)
    candidates = {*pairs, *_neighbours(fused)}
    of_layer = Counter(name for name, _ in candidates)
    of_norm = Counter(name for _, name in candidates)
    for name, norm_name in candidates:
        layer, norm = fused.get_submodule(name), fused.get_submodule(norm_name)
        counts = (
            of_layer[name], of_norm[norm_name], uses[layer], uses[norm],
            calls.get(name, 1), calls.get(norm_name, 1),
        )  # fmt: skip
        if set(counts) == {1}:
            _fuse(layer, norm, norm_name, "fuse_conv_bn")
            _put(fused, norm_name, nn.Identity())
    return fused


def fuse_conv_bn_eval_modules(net: nn.Module) -> fx.GraphModule:
    """Return ``net`` as a graph whose batch normalisations are part of the convolutions.

    The weights are those of `fuse_conv_bn`, which keeps the class of the network and needs no
    graph. The pairs fused are 1-, 2- and 3-dimensional convolutions and batch normalisations,
    torch's or bitspike's, that follow each other in the forward pass.

    Args:
        net: a network in evaluation mode that ``torch.fx`` can follow; it is not changed. The
            graph shares with it what is not fused.

    Returns:
        The graph, a module.

    Raises:
        ValueError: if ``net`` is in training mode, a BatchNorm to be fused has no running
            statistics, or ``torch.fx`` cannot follow the forward pass.
    """
    function = "fuse_conv_bn_eval_modules"
    if net.training:
        raise ValueError(f"{function}: the network is in training mode; call net.eval() first")

    def fused(conv: nn.Module, norm: nn.Module, norm_name: str) -> nn.Module:
        conv = copy.deepcopy(conv)
        _fuse(conv, norm, norm_name, function)
        return conv

    return _as_graph(net, function, fused)


def pack_conv_bn_train_modules(net: nn.Module) -> fx.GraphModule:
    """Return ``net`` as a graph in which a convolution and its normalisation are one module.

    The graph computes the same. The pairs are those of `fuse_conv_bn_eval_modules`; a pair is a
    module with the attributes ``conv`` and ``bn``.

    Args:
        net: a network in training mode that ``torch.fx`` can follow. The graph shares its modules
            and parameters; ``net`` itself keeps its form.

    Returns:
        The graph, a module.

    Raises:
        ValueError: if ``net`` is not in training mode, or ``torch.fx`` cannot follow it.
    """
    function = "pack_conv_bn_train_modules"
    if not net.training:
        raise ValueError(f"{function}: the network is in evaluation mode; call net.train() first")
    return _as_graph(net, function, lambda conv, norm, _: ConvBN(conv, norm))


class ConvBN(nn.Module):
    """A convolution and its batch normalisation, see `pack_conv_bn_train_modules`.

    Layers of torch's take a single step, or a sequence ``[T, B, C, ...]`` as one large batch.
    """

    def __init__(self, conv: nn.Module, bn: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = bn

    def forward(self, x: Tensor) -> Tensor:
        """Run both, one after the other."""
        for module in (self.conv, self.bn):
            whole = 2 + max(len(axes.split(", ")) for axes in step_axes(type(module)))
            if isinstance(module, StepModule) or x.ndim != whole:
                x = module(x)
            else:
                x = seq_to_ann_forward(x, module)
        return x


class _Tracer(fx.Tracer):
    """Follow a forward pass; a module with a step mode is one call."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, StepModule) and m is not self.root
        return leaf or super().is_leaf_module(m, module_qualified_name)


def _trace(net: nn.Module) -> fx.Graph:
    return _Tracer().trace(copy.deepcopy(net))  # a forward pass may change its modules


def _calls_and_pairs(
    net: nn.Module, graph: fx.Graph, fits: Callable[[nn.Module, nn.Module], bool]
) -> tuple[Calls, Pairs]:
    """Return how often each module is called, and for each pair the calls of its normalisation.

    A layer whose output goes elsewhere as well counts as called once more.
    """
    calls: Calls = Counter()
    pairs: Pairs = {}
    for node in graph.nodes:
        if node.op != "call_module":
            continue
        calls[str(node.target)] += 1
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        names = str(before.target), str(node.target)
        if fits(*map(net.get_submodule, names)):
            pairs.setdefault(names, []).append(node)
            calls[names[0]] += len(before.users) > 1
    return calls, pairs


def _neighbours(net: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of the pairs that are neighbours in a container."""
    names = {module: name for name, module in net.named_modules()}
    for module in net.modules():
        if isinstance(module, nn.Sequential) and (
            is_chain(module) or isinstance(module, StepModule)
        ):
            yield from ((names[a], names[b]) for a, b in pairwise(module) if _fits(a, b))


def _as_graph(
    net: nn.Module,
    function: str,
    joined: Callable[[nn.Module, nn.Module, str], nn.Module],
) -> fx.GraphModule:
    """Return ``net`` as a graph where ``joined(conv, norm, name of norm)`` replaces each pair."""
    try:
        graph = fx.GraphModule(net, _trace(net))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{function}: torch.fx cannot follow the forward pass of {type(net).__name__} "
            f"({reason}); functional.fuse_conv_bn fuses neighbours in an nn.Sequential without it"
        ) from error

    def fits(conv: nn.Module, norm: nn.Module) -> bool:
        modes = {_mode(conv), _mode(norm)}
        same_mode = len(modes) == 1 or (net.training and None in modes)
        return isinstance(conv, _CONV) and same_mode and _is_pair(conv, norm)

    calls, pairs = _calls_and_pairs(graph, graph.graph, fits)
    for (name, norm_name), nodes in pairs.items():
        if len(nodes) != calls[name]:
            continue  # an output of the convolution goes elsewhere
        conv, norm = graph.get_submodule(name), graph.get_submodule(norm_name)
        _put(graph, name, joined(conv, norm, norm_name))
        for node in nodes:
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            graph.graph.erase_node(node)
    graph.graph.lint()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _fits(layer: nn.Module, norm: nn.Module) -> bool:
    return _is_pair(layer, norm) and not norm.training and _mode(layer) == _mode(norm)


def _mode(module: nn.Module) -> str | None:
    """Return the step mode; None for a module without."""
    return module.step_mode if isinstance(module, StepModule) else None


def _is_pair(layer: nn.Module, norm: nn.Module) -> bool:
    """Return whether ``norm`` is a batch normalisation that fits the output of ``layer``."""
    if not isinstance(norm, _BatchNorm) or not _computes_as_torch(norm):
        return False
    norms = [norms for kind, norms in _NORM_OF.items() if isinstance(layer, kind)]
    return any(isinstance(norm, kind) for kind in norms) and _computes_as_torch(layer)


def _computes_as_torch(module: nn.Module) -> bool:
    """Return whether the class is a known one, or a subclass that overrides no method of it.

    A subclass may add methods and attributes, but no property in place of a weight, as
    ``torch.nn.utils.parametrize`` makes it.
    """
    if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
        return False
    kinds = type(module).__mro__
    known = next((kind for kind in kinds if kind in _KNOWN), None)
    if known is None:
        return False
    added = {
        name: value
        for kind in kinds[: kinds.index(known)]
        for name, value in vars(kind).items()
        if not name.startswith("__") and name != "extra_repr" and hasattr(value, "__get__")
    }
    return not any(hasattr(known, name) or name in _TENSORS for name in added)


def _fuse(layer: Any, norm: Any, norm_name: str, function: str) -> None:
    """Give ``layer`` the weights that include ``norm``."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            f"{function}: '{norm_name}' has no running statistics (track_running_stats=False), so "
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


def _put(net: nn.Module, name: str, module: nn.Module) -> None:
    """Put ``module`` into ``net`` under a qualified name."""
    parent, _, child = name.rpartition(".")
    net.get_submodule(parent).register_module(child, module)
