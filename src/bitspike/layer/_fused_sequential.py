"""A container that looks ahead, so that layers and neurons can share a kernel."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module

from bitspike.base import calls_in_turn, has_hooks, wants_more_than_output
from bitspike.kernels import Current
from bitspike.layer._linear import Linear
from bitspike.layer._pooling import Flatten
from bitspike.neuron import BaseNode
from bitspike.spikes import SpikeTensor


class FusedSequential(nn.Sequential):
    """``torch.nn.Sequential`` that runs a linear layer and the neurons behind it as one kernel.

    Outputs, states and gradients are those of ``nn.Sequential``, to the bit, and so are the names
    of parameters: only the time differs. Fused are, in multi-step mode, `Flatten` (or none),
    `Linear` without bias, and neurons such as `IFNode` or `LIFNode`, if what goes in are the bits
    of `encoding.PoissonEncoder` for an image that is held over time, or of
    `encoding.PoissonSequences`, and the backend is Numba's. Whatever else there is runs module by
    module, as do modules with hooks. A hook of the neurons that has an attribute ``output_only``
    which is true gets no inputs.

    Takes what ``torch.nn.Sequential`` takes.
    """

    @calls_in_turn
    def forward(self, input: Any) -> Any:  # noqa: A002
        """Run the modules one after the other."""
        modules: Sequence[Any] = tuple(self._modules.values())
        x = input
        while modules:
            found = _find(modules, x) if isinstance(x, SpikeTensor) else None
            if found is None:
                x, modules = modules[0](x), modules[1:]
            else:
                current, neurons, modules = found
                x = neurons.forward_of_current(current)
                for hook in neurons._forward_hooks.values():
                    changed = hook(neurons, (), x)
                    x = x if changed is None else changed
        return x


def _find(modules: Sequence[Any], x: SpikeTensor) -> tuple[Current, BaseNode, Sequence[Any]] | None:
    """The current and the neurons that make up the beginning of the modules, and the rest."""
    flatten = modules[0] if type(modules[0]) is Flatten else None
    rest = modules if flatten is None else modules[1:]
    if len(rest) < 2 or type(rest[0]) is not Linear or not isinstance(rest[1], BaseNode):
        return None
    linear, neurons = rest[0], rest[1]
    if linear.bias is not None or linear._backend != "auto" or x.requires_grad:
        return None
    if flatten is None:
        if x.ndim != 3:
            return None
    elif flatten.start_dim != 1 or flatten.end_dim != -1 or x.ndim < 3 or has_hooks(flatten):
        return None
    if any(module._step_mode != "m" for module in modules[: len(modules) - len(rest) + 2]):
        return None
    if has_hooks(linear) or _everywhere() or wants_more_than_output(neurons):
        return None
    for hook in neurons._forward_hooks.values():
        if not getattr(hook, "output_only", False):
            return None
    return Current(x, linear.weight), neurons, rest[2:]


_everywhere: Callable[[], bool] = torch_module._has_any_global_hook
"""Whether there are hooks on all modules."""
