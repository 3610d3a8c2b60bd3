"""What modules call: every operation of the engine, on the backend that is to run it."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels import _dispatch, _planes, eager
from bitspike.kernels._current import Current
from bitspike.kernels._held import held_step
from bitspike.kernels._probabilities import check_probabilities
from bitspike.kernels.eager import Step
from bitspike.spikes import SpikeTensor, _operations
from bitspike.spikes._tensor import functions


class Watcher(Protocol):
    """Who wants to know when the graph of the states has been freed."""

    def watch(self, x: Tensor) -> Tensor:
        """Passes ``x`` on with a node of its own in the graph."""

    def watch_node(self, node: Any) -> None:
        """Looks at a node of the graph that saves tensors."""


def choose_scan(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], backend: str, key: Any = None
) -> tuple[str, Any]:
    """The backend of `scan` with these arguments, and what a compiled one has recorded.

    That is the reason where it cannot run, and None where it was not asked.
    """
    recorded: Any = None
    asked = _dispatch.resolve(backend)
    on_gpu = asked == "triton" or (asked == "auto" and x_seq.device.type == "cuda")
    kernel = "triton" if on_gpu else "numba"

    def obstacle() -> str | None:
        nonlocal recorded
        recorded = _compiled(kernel).record(step, x_seq, states, key)
        return recorded if isinstance(recorded, str) else None

    return _dispatch.choose(asked, obstacle, kernel), recorded


def _compiled(kernel: str) -> Any:
    """The module of a compiled backend's scan."""
    if kernel == "triton":
        from bitspike.kernels.triton import scan as for_gpu

        return for_gpu
    from bitspike.kernels.numba import scan as for_cpu

    return for_cpu


def scan(
    step: Step,
    x_seq: Tensor,
    states: Sequence[Tensor],
    store_v_seq: bool = False,
    backend: str = "auto",
    bits: bool = True,
    watcher: Watcher | None = None,
    key: Any = None,
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """A neuron's whole sequence; see `bitspike.kernels.eager.scan`.

    Where ``bits`` is True and the backend can, spikes come as a `SpikeTensor`. The ``watcher`` is
    shown a node of the graph that the last states hang on. The ``key`` is all that ``step`` depends
    on, if that is known and numbers only: then it is recorded once.
    """
    if isinstance(x_seq, SpikeTensor):
        x_seq = x_seq.dense()
    T, held = x_seq.shape[0], held_step(x_seq)
    x_seq = _dispatch.in_memory(x_seq if held is None else held)
    states = [_dispatch.in_memory(state) for state in states]
    chosen, recorded = choose_scan(step, x_seq, states, backend, key)
    if held is not None and chosen != "numba":
        x_seq = x_seq.expand(T, *x_seq.shape[1:])
    if chosen == "eager":
        if watcher is not None:
            x_seq = watcher.watch(x_seq)
        return eager.scan(step, x_seq, states, store_v_seq)
    # A scan does not mind the order of the neurons: the one in memory saves copies.
    turned = not recorded.fields and _planes.is_channels_last(x_seq)
    if turned:
        states = [state.movedim(1, -1) for state in states]
        x_seq = x_seq.movedim(2, -1)
    more = {"T": T} if len(x_seq) < T else {}
    y, last, v_seq = _compiled(chosen).scan(recorded, x_seq, states, store_v_seq, bits, **more)
    if watcher is not None and last and last[0].grad_fn is not None:
        watcher.watch_node(last[0].grad_fn)
    if not turned:
        return y, last, v_seq
    v_seq = None if v_seq is None else v_seq.movedim(-1, 2)
    return y.movedim(-1, 2), tuple(v.movedim(-1, 1) for v in last), v_seq


def scan_of_current(
    step: Step,
    current: Current,
    states: Sequence[Tensor | float],
    backend: str = "auto",
    watcher: Watcher | None = None,
    key: Any = None,
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """`scan` together with the linear layer whose current it is; None where no kernel does both.

    A state may be the number that all neurons start from.

    Returns:
        Spikes ``[T, B, O]`` and the last states.
    """
    if not _dispatch.permits("numba", backend):
        return None
    from bitspike.kernels.numba import fused

    if not fused.supports(current, states):
        return None
    found = fused.scan(step, current, states, key)
    if found is not None and watcher is not None and found[1][0].grad_fn is not None:
        watcher.watch_node(found[1][0].grad_fn)
    return found


def encode_poisson(
    x: Tensor,
    generator: torch.Generator | None,
    dtype: torch.dtype,
    backend: str = "auto",
    one_step: bool = False,
) -> Tensor:
    """Spikes with the probabilities ``x``, in its shape.

    Args:
        x: ``[T, B, ...]``, or ``[B, ...]`` for ``one_step``, whose spikes are a dense tensor.
        generator: source of randomness; None is torch's own.
        dtype: of the spikes, where ``x`` is not of a floating one.
        backend: what computes.
        one_step: whether ``x`` has no time axis.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    x = _dispatch.in_memory(x)

    def obstacle() -> str | None:
        from bitspike.kernels.numba import poisson

        return poisson.supports(x)

    if _dispatch.choose(backend, obstacle) == "eager":
        check_probabilities(x)
        return eager.encode_poisson(x, generator, dtype)
    from bitspike.kernels.numba import poisson

    return poisson.encode_step(x, generator) if one_step else poisson.encode(x, generator)


def encode_held(x: Tensor, T: int, seed: int, first: int, backend: str = "auto") -> Tensor:
    """Poisson spikes ``[T, B, ...]`` of the samples ``x`` ``[B, ...]``, numbered from ``first`` on.

    They depend on the seed and on each sample's number and values, and on nothing else.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    x = _dispatch.in_memory(x)

    def obstacle() -> str | None:
        from bitspike.kernels.numba import poisson

        return poisson.supports(x)

    if x.numel() == 0 or _dispatch.choose(backend, obstacle) == "eager":
        check_probabilities(x)
        return eager.encode_held(x, T, seed, first)
    from bitspike.kernels.numba import poisson

    return SpikeTensor(poisson.encode_constant(x, T, seed % 2**63, first), x.dtype)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``F.linear`` of spikes."""

    def obstacle() -> str | None:
        if not isinstance(x, SpikeTensor) or isinstance(weight, SpikeTensor):
            return "only the input of a linear layer may be spikes"
        from bitspike.kernels.numba import linear

        return linear.supports(x, weight, bias)

    if _dispatch.choose("auto", obstacle) == "eager":
        return NotImplemented
    from bitspike.kernels.numba import linear

    if not torch.is_autocast_enabled("cpu"):
        return linear.linear(x, weight, bias)
    # What autocast means: operands and result in the low precision. Sums are in float32.
    low = torch.get_autocast_dtype("cpu")
    operands = (weight, bias)
    weight, bias = (None if t is None else t.to(low).to(x.dtype) for t in operands)
    return linear.linear(x, weight, bias).to(low)


def weight_gradient(x: Tensor, grad: Tensor, backend: str = "auto") -> Tensor:
    """Sum over all but the last axes of ``grad`` times ``x``: a linear layer's weight gradient.

    Args:
        x: input of the layer, ``[..., I]``; on spikes it is added up spike by spike.
        grad: gradient of its output, ``[..., O]``.
        backend: what computes.

    Returns:
        ``[O, I]``.
    """

    def obstacle() -> str | None:
        from bitspike.kernels.numba import linear

        return linear.supports(x, grad)

    if not isinstance(x, SpikeTensor) or _dispatch.choose(backend, obstacle) == "eager":
        dense = x.dense() if isinstance(x, SpikeTensor) else x
        rows = math.prod(x.shape[:-1])  # -1 is nothing that an empty axis could tell
        return grad.reshape(rows, grad.shape[-1]).t() @ dense.reshape(rows, x.shape[-1])
    from bitspike.kernels.numba import linear

    return linear.weight_gradient(x, grad)


def _count_over_time(words: Tensor, features: int, divisor: int) -> Tensor:
    if words.device.type != "cpu" or _dispatch.choose("auto", lambda: None) == "eager":
        return _operations.count_over_time(words, features, divisor)
    from bitspike.kernels.numba import linear

    return linear.count_over_time(words, features, divisor)


functions[F.linear] = _linear
_operations.fast_counter = _count_over_time
