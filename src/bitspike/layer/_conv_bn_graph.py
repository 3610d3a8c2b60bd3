"""Convolutions and the batch normalisations behind them, as one module of a ``torch.fx`` graph."""

import copy
from collections import Counter
from collections.abc import Iterator

from torch import Tensor, fx, nn

from bitspike.base import StepModule, seq_to_ann_forward, step_axes
from bitspike.layer._fuse_conv_bn import Tracer, fuse, is_pair, mode, put

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class ConvBN(nn.Module):
    """A convolution and its batch normalisation, see `pack_conv_bn_train_modules`.

    torch's own take a single step, or a sequence ``[T, B, C, ...]`` as one large batch.
    """

    def __init__(self, conv: nn.Module, bn: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = bn

    def forward(self, x: Tensor) -> Tensor:
        """Both, one after the other."""
        for module in (self.conv, self.bn):
            x = module(x) if isinstance(module, StepModule) else _timeless(module, x)
        return x


def _timeless(module: nn.Module, x: Tensor) -> Tensor:
    whole = 2 + max(len(axes.split(", ")) for axes in step_axes(type(module)))
    y: Tensor = seq_to_ann_forward(x, module) if x.ndim == whole else module(x)
    return y


def fuse_conv_bn_eval_modules(net: nn.Module) -> fx.GraphModule:
    """``net`` as a graph whose batch normalisations are part of the convolutions before them.

    The weights are those of `fuse_conv_bn`, which keeps the class of the network and needs no
    graph. Fused are the 1-, 2- and 3-dimensional convolutions and batch normalisations, torch's or
    bitspike's, that follow each other in the forward pass.

    Args:
        net: a network in evaluation mode that ``torch.fx`` can follow; it is not changed. What is
            not fused is shared with it.

    Returns:
        The graph, a module.

    Raises:
        ValueError: if ``net`` is in training mode, a BatchNorm to be fused has no running
            statistics, or ``torch.fx`` cannot follow the forward pass.
    """
    function = "fuse_conv_bn_eval_modules"
    if net.training:
        raise ValueError(f"{function}: the network is in training mode; call net.eval() first")
    graph = _graph(net, function)
    for conv, norm, nodes in _pairs(graph, in_training=False):
        fused = copy.deepcopy(graph.get_submodule(conv))
        fuse(fused, graph.get_submodule(norm), norm, function)
        _replace(graph, conv, fused, nodes)
    return _finished(graph)


def pack_conv_bn_train_modules(net: nn.Module) -> fx.GraphModule:
    """``net`` as a graph in which a convolution and its batch normalisation are one module.

    What it computes is the same. Packed are the pairs of `fuse_conv_bn_eval_modules`; a pair is a
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
    graph = _graph(net, function)
    for conv, norm, nodes in _pairs(graph, in_training=True):
        packed = ConvBN(graph.get_submodule(conv), graph.get_submodule(norm))
        _replace(graph, conv, packed, nodes)
    return _finished(graph)


def _graph(net: nn.Module, function: str) -> fx.GraphModule:
    try:
        graph = Tracer().trace(copy.deepcopy(net))  # the forward pass may leave things behind
    except Exception as error:  # it may raise anything, too
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{function}: torch.fx cannot follow the forward pass of {type(net).__name__} "
            f"({reason}); functional.fuse_conv_bn fuses neighbours in an nn.Sequential without it"
        ) from error
    return fx.GraphModule(net, graph)


def _pairs(graph: fx.GraphModule, in_training: bool) -> Iterator[tuple[str, str, list[fx.Node]]]:
    """Names of a convolution and of its normalisation, and the nodes of the latter.

    All calls of the convolution go to that normalisation and nowhere else.
    """
    calls: Counter[str] = Counter()
    found: dict[tuple[str, str], list[fx.Node]] = {}
    for node in graph.graph.nodes:
        if node.op != "call_module":
            continue
        calls[str(node.target)] += 1
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        names = str(before.target), str(node.target)
        conv, norm = map(graph.get_submodule, names)
        same_mode = mode(conv) == mode(norm) or (in_training and None in (mode(conv), mode(norm)))
        if isinstance(conv, _CONV) and same_mode and is_pair(conv, norm):
            found.setdefault(names, []).append(node)
    for (conv_name, norm_name), nodes in found.items():
        if len(nodes) == calls[conv_name]:
            yield conv_name, norm_name, nodes


def _replace(graph: fx.GraphModule, name: str, module: nn.Module, norms: list[fx.Node]) -> None:
    """Puts ``module`` where the convolution was, and takes the normalisation out of the way."""
    put(graph, name, module)
    for node in norms:
        node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
        graph.graph.erase_node(node)


def _finished(graph: fx.GraphModule) -> fx.GraphModule:
    graph.graph.lint()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph
