"""Time loops of neurons: any elementwise step, run over a whole sequence."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.kernels.runtime.constant_input import ConstantTensor, constant_step
from bitspike.kernels.runtime.memory import is_channels_last, without_negative_bit
from bitspike.kernels.scan.operator import traced_scan
from bitspike.kernels.scan.record import Recorded, record
from bitspike.kernels.scan.reference import Step
from bitspike.spikes import dense


class Watcher(Protocol):
    """An observer that is told when the graph of the states has been freed."""

    def watch(self, x: Tensor) -> Tensor:
        """Return ``x`` with a node of the watcher's own in its graph."""

    def watch_node(self, node: Any) -> None:
        """Watch a node of the graph that saves tensors."""


def _choose(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], requested: str, key: Any
) -> tuple[str, Recorded | str]:
    """Return the backend that runs, and the recorded step or why it is not a compiled backend."""
    backend, reason = dispatch.explain(
        "scan", x_seq, states, backend=requested, device=x_seq.device.type
    )
    if reason is not None:
        return "eager", reason
    recorded = _record(step, x_seq, states, key)
    if isinstance(recorded, str):
        backend = dispatch.decline(requested, backend, recorded)
    return backend, recorded


def _record(step: Step, x_seq: Tensor, states: Sequence[Tensor], key: Any) -> Recorded | str:
    for state in states:
        if state.shape != x_seq.shape[1:]:
            return f"a state has the shape {tuple(state.shape)}, a step {tuple(x_seq.shape[1:])}"
    return record(step, len(states), x_seq.shape[1:], x_seq, key)


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
    """Run a neuron's step over a sequence; see `bitspike.kernels.scan.reference.scan`.

    Args:
        step: the neuron's equations, ``step(x, *states) -> (y, *states)``.
        x_seq: input ``[T, B, ...]``.
        states: before the first step, ``[B, ...]`` each.
        store_v_seq: True returns the first state after each step.
        backend: one of `bitspike.dispatch.BACKENDS`.
        bits: whether spikes come as a `SpikeTensor` where the backend can make one.
        watcher: is shown a node of the graph on which the last states depend.
        key: everything that ``step`` depends on, hashable, if that is known and consists of
            numbers: the step is then recorded once.

    Returns:
        Outputs ``[T, B, ...]``, the last states, and the recorded ``[T, B, ...]`` or None.
    """
    x_seq, *states = (dense(x) for x in (x_seq, *states))
    if torch.compiler.is_compiling():
        return traced_scan(step, x_seq, states, store_v_seq, backend)
    T, constant = x_seq.shape[0], isinstance(x_seq, ConstantTensor)
    x_seq = without_negative_bit(constant_step(x_seq) if constant else x_seq)
    states = [without_negative_bit(state) for state in states]
    chosen, recorded = _choose(step, x_seq, states, backend, key)
    implementation = dispatch.implementation("scan", chosen)
    if constant and chosen != "numba":
        x_seq = x_seq.expand(T, *x_seq.shape[1:])
    if isinstance(recorded, str):
        if watcher is not None:
            x_seq = watcher.watch(x_seq)
        y, last, v_seq = implementation.scan(step, x_seq, states, store_v_seq)
        return y, last, v_seq
    # The order of the neurons does not matter to a scan: the one in memory saves copies.
    turned = not recorded.fields and is_channels_last(x_seq)
    if turned:
        states = [state.movedim(1, -1) for state in states]
        x_seq = x_seq.movedim(2, -1)
    more = {"T": T} if len(x_seq) < T else {}
    y, last, v_seq = implementation.scan(recorded, x_seq, states, store_v_seq, bits, **more)
    if watcher is not None and last and last[0].grad_fn is not None:
        watcher.watch_node(last[0].grad_fn)
    if not turned:
        return y, last, v_seq
    v_seq = None if v_seq is None else v_seq.movedim(-1, 2)
    return y.movedim(-1, 2), tuple(v.movedim(-1, 1) for v in last), v_seq


def explain_scan(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], backend: str = "auto"
) -> tuple[str, str | None]:
    """Return the backend of `scan` with these arguments, and why it is not a compiled one."""
    chosen, recorded = _choose(step, x_seq, states, backend, None)
    return chosen, recorded if isinstance(recorded, str) else None
