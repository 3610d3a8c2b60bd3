"""A container that looks ahead, so that layers and neurons can share a kernel."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.modules.module import _has_any_global_hook

from bitspike.base import calls_in_turn
from bitspike.kernels import Current
from bitspike.layer._stateless import Flatten, Linear
from bitspike.neuron import BaseNode
from bitspike.spikes import SpikeTensor


class FusedSequential(nn.Sequential):
    """``torch.nn.Sequential`` that runs a linear layer and the neurons behind it as one kernel.

    Outputs, states and gradients are those of ``nn.Sequential``, to the bit, and so are the names
    of parameters: only the time differs. Fused are, in multi-step mode, `Flatten` (or none),
    `Linear` without bias, of at most 16 outputs, and neurons such as `IFNode` or `LIFNode`, if what
    goes in are the bits of `encoding.PoissonEncoder` for an image that is held over time and the
    backend is Numba's. Whatever else there is runs module by module, as do modules with hooks. A
    hook of the neurons that has an attribute ``output_only`` which is true gets no inputs.

    Takes what ``torch.nn.Sequential`` takes.
    """

    @calls_in_turn
    def forward(self, input: Any) -> Any:  # noqa: A002
        """What the modules make of ``input``, one after the other."""
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
    flattened = type(modules[0]) is Flatten
    if len(modules) < flattened + 2:
        return None
    linear, neurons = modules[flattened : flattened + 2]
    if type(linear) is not Linear or not isinstance(neurons, BaseNode):
        return None
    if linear.bias is not None or linear.backend != "auto" or x.requires_grad:
        return None
    if flattened and (modules[0].start_dim, modules[0].end_dim) != (1, -1):
        return None
    if x.ndim < 3 or (x.ndim > 3 and not flattened):
        return None
    together = modules[: flattened + 2]
    if _has_any_global_hook() or any(m._step_mode != "m" or _looks_inside(m) for m in together):
        return None
    if (flattened and modules[0]._forward_hooks) or linear._forward_hooks:
        return None
    if not all(getattr(hook, "output_only", False) for hook in neurons._forward_hooks.values()):
        return None
    return Current(x, linear.weight), neurons, modules[flattened + 2 :]


def _looks_inside(module: nn.Module) -> bool:
    """Whether a hook wants more than to see what the module returns."""
    return bool(module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks)
