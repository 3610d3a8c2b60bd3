"""Train in less memory: keep spikes, and compute the rest again in backward."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitspike.base import MemoryModule, StepModule, has_hooks, is_chain
from bitspike.memory._recompute import recomputed
from bitspike.neuron import BaseNode

Net = TypeVar("Net", bound=nn.Module)

# Layers that treat every time step alike: a sequence may be cut.
_LOCAL = (
    nn.Linear, nn.Identity, nn.Flatten, nn.Upsample, nn.GroupNorm, _BatchNorm,
    nn.modules.conv._ConvNd, nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd,
)  # fmt: skip


def save_memory(net: Net, enabled: bool = True, chunks: int = 1) -> Net:
    """Train ``net`` in less memory and more time, with the same gradients.

    By default backward needs the input of each neuron and of each layer. After this call every
    ``nn.Sequential`` in ``net`` takes its stateless layers together with the neuron that follows
    them as one segment, and keeps only the input of each segment: the spikes of the neuron before
    it, as bits. Backward computes the currents again, one segment at a time. Outputs, states and
    gradients are the same to the bit (but for the order of the sum, where one segment uses a
    parameter more than once).

    Modules outside of an ``nn.Sequential`` or in single-step mode work as before. So does a
    segment with a hook (a monitor's, for example), which must not see everything twice. Without
    gradients nothing changes.

    Args:
        net: any module; it is changed in place. Names of parameters stay as they are.
        enabled: False puts it back to normal.
        chunks: with more than 1, the sequence is cut into so many parts where every layer treats
            all time steps alike (batch norm in training does not). Several segments then become
            one, of which only the input and the membrane potentials between the parts are kept,
            and one part at a time is computed again. About ``sqrt(T)`` needs the least memory. The
            gradients of parameters are then sums over the parts, and equal up to rounding.

    Returns:
        ``net``.

    Raises:
        ValueError: if ``chunks`` is less than 1, or ``net`` holds no ``nn.Sequential`` with a
            neuron in it.

    Paper: Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174, 2016.
    """
    if not isinstance(chunks, int) or chunks < 1:
        raise ValueError(
            f"save_memory: chunks must be an integer of at least 1, but got {chunks!r}"
        )
    chains = [m for m in net.modules() if _is_chain(m) and any(map(_is_neuron, m.modules()))]
    if enabled and not chains:
        raise ValueError(
            "save_memory: there is no nn.Sequential with a neuron in multi-step mode in this "
            f"{type(net).__name__}, and nothing to save. Put layers and neurons that follow each "
            "other into nn.Sequential"
        )
    for chain in chains:
        if isinstance(chain, _Saving):
            chain.__class__ = _usual(type(chain))
            del chain._chunks
        if enabled:
            chain.__class__ = _saving(type(chain))
            chain._chunks = chunks  # type: ignore[assignment]
    return net


class _Saving:
    """Mixed into the class of an ``nn.Sequential`` by `save_memory`.

    The module itself gets another class, as with ``torch.nn.utils.parametrize`` and ``fully_shard``
    of torch. A ``forward`` in the module's ``__dict__`` would be shorter, but slices such as
    ``net[:2]`` would lose it, the printed network would not show it, and it would refer to its
    own module: a cycle that keeps a deleted network in memory until the next garbage collection.
    """

    _chunks: int = 1

    def forward(self, input: Any) -> Any:  # noqa: A002
        return _forward(list(_flat(self)), input, self._chunks)

    def extra_repr(self) -> str:
        parts = "" if self._chunks == 1 else f", chunks={self._chunks}"
        inner: str = super().extra_repr()  # type: ignore[misc]
        return f"{inner}{', ' if inner else ''}save_memory=True{parts}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = super().__getstate__()
        return _rebuild, (_usual(type(self)),), state


_classes: dict[type, type] = {}


def _saving(kind: type) -> type:
    if kind not in _classes:
        _classes[kind] = type(kind.__name__, (_Saving, kind), {"__module__": kind.__module__})
    return _classes[kind]


def _usual(saving: type) -> type:
    return saving.__bases__[1]


def _rebuild(kind: type) -> Any:
    saving: Any = _saving(kind)
    return saving.__new__(saving)


def _is_chain(module: nn.Module) -> bool:
    return is_chain(module) or isinstance(module, _Saving)


def _is_neuron(module: nn.Module) -> bool:
    return isinstance(module, BaseNode) and module.step_mode == "m"


def _has_generator(module: nn.Module) -> bool:
    """Return whether the module has a generator of its own, whose state a second run needs."""
    return any(isinstance(value, torch.Generator) for value in vars(module).values())


def _flat(chain: Any) -> Iterator[nn.Module]:
    """Yield the modules of a chain, and of the chains in it, in the order of their calls."""
    for child in chain:
        if _is_chain(child) and not has_hooks(child):
            yield from _flat(child)
        else:
            yield child


def _can_run_again(module: nn.Module) -> bool:
    inside = list(module.modules())
    if any(map(has_hooks, inside)) or any(map(_has_generator, inside)):
        return False
    stateful = [m for m in inside if isinstance(m, MemoryModule)]
    return _is_neuron(module) or not any(m._states_carry_gradient for m in stateful)


def _can_be_cut(module: nn.Module) -> bool:
    if isinstance(module, BaseNode):
        return not module.store_v_seq
    if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
        return False
    if isinstance(module, nn.Flatten) and module.start_dim == 0:
        return False
    return isinstance(module, StepModule) and module.step_mode == "m" and isinstance(module, _LOCAL)


def _segment(modules: Sequence[nn.Module]) -> Sequence[nn.Module]:
    """Return the modules up to the first neuron, if they can run again; else nothing."""
    for end, module in enumerate(modules, 1):
        if not _can_run_again(module):
            break
        if _is_neuron(module):
            return modules[:end]
    return ()


def _segments(modules: Sequence[nn.Module]) -> Sequence[nn.Module]:
    """Return as many segments from the beginning as can be cut into parts of time, as one."""
    joined: list[nn.Module] = []
    while (more := _segment(modules[len(joined) :])) and all(map(_can_be_cut, more)):
        joined += more
    return joined


def _forward(modules: Sequence[nn.Module], x: Any, chunks: int) -> Any:
    while modules:
        segment, parts = _next(modules, x, chunks)
        x = recomputed(segment, x, parts) if segment else modules[0](x)
        modules = modules[len(segment) or 1 :]
    return x


def _next(modules: Sequence[nn.Module], x: Any, chunks: int) -> tuple[Sequence[nn.Module], int]:
    """Return the next segment to recompute and its number of parts; nothing for a usual call."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return (), 1
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) == 0:
        return (), 1
    if not _has_gradient(x, modules[0]):  # a usual call keeps nothing either
        return (), 1
    if chunks > 1 and (segments := _segments(modules)):
        return segments, min(chunks, len(x))
    return _segment(modules), 1


def _has_gradient(x: Tensor, root: nn.Module) -> bool:
    """Return whether the output of the module for ``x`` has a graph."""
    if x.requires_grad or any(p.requires_grad for p in root.parameters()):
        return True
    stateful = [m for m in root.modules() if isinstance(m, MemoryModule)]
    values = (value for m in stateful for value in m.memories())
    return any(isinstance(value, Tensor) and value.requires_grad for value in values)
