"""Steps and scans of the elementwise neurons as functions of their states."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.dynamics import (
    clif_step,
    cuba_lif_step,
    eif_step,
    if_step,
    ilif_step,
    izhikevich_step,
    klif_step,
    liaf_step,
    lif_charge,
    lif_step,
    plif_step,
    qif_step,
    raf_step,
    ternary_if_step,
    ternary_lif_step,
    voltage_reset,
)
from bitspike.surrogate import MultiLevelSpikeCount, Sigmoid

Surrogate = Callable[[Tensor], Tensor]
Sequence = tuple[Tensor, Tensor, Tensor | None]

__all__ = [
    "clif_step",
    "cuba_lif_step",
    "eif_multi_step",
    "eif_step",
    "if_multi_step",
    "if_step",
    "ilif_multi_step",
    "ilif_step",
    "izhikevich_multi_step",
    "izhikevich_step",
    "klif_step",
    "liaf_step",
    "lif_charge",
    "lif_multi_step",
    "lif_step",
    "plif_multi_step",
    "plif_step",
    "qif_multi_step",
    "qif_step",
    "raf_step",
    "ternary_if_step",
    "ternary_lif_step",
    "voltage_reset",
]


def _scan(
    step: Callable[..., Any], x_seq: Tensor, v: Tensor, store_v_seq: bool, *arguments: Any
) -> Sequence:
    """Spikes ``[T, B, ...]``, the last potential, and all potentials or None."""

    def one(x: Any, v: Any) -> Any:
        return step(x, v, *arguments)

    s_seq, (v,), v_seq = kernels.scan(one, x_seq, [v], store_v_seq)
    return s_seq, v, v_seq


def _check_precision(storage: torch.dtype | str | None, fwd: str, bwd: str) -> None:
    if storage is not None or fwd != "fp32" or bwd != "fp32":
        raise ValueError(
            f"neuron_storage={storage!r}, neuron_fwd={fwd!r}, neuron_bwd={bwd!r}: neurons are "
            "computed and kept in the precision of their input; leave these arguments out"
        )


def if_multi_step(
    x_seq: Tensor,
    v: Tensor,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
    *,
    neuron_storage: torch.dtype | str | None = None,
    neuron_fwd: str = "fp32",
    neuron_bwd: str = "fp32",
) -> Sequence:
    """`if_step` over a sequence ``[T, B, ...]`` from the potential ``v`` ``[B, ...]``.

    Returns:
        Spikes ``[T, B, ...]``, the last potential ``[B, ...]``, and with ``store_v_seq`` the
        potentials ``[T, B, ...]``, else None. So do the other ``multi_step`` functions.

    Raises:
        ValueError: for another ``neuron_storage``, ``neuron_fwd`` or ``neuron_bwd`` than the
            default: neurons are computed and kept in the precision of their input.
    """
    _check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    return _scan(if_step, x_seq, v, store_v_seq, v_threshold, v_reset, spike, detach_reset)


def lif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
    *,
    neuron_storage: torch.dtype | str | None = None,
    neuron_fwd: str = "fp32",
    neuron_bwd: str = "fp32",
) -> Sequence:
    """`lif_step` over a sequence, see `if_multi_step`."""
    _check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    own = (float(tau), decay_input, v_threshold, v_reset, spike, detach_reset)
    return _scan(lif_step, x_seq, v, store_v_seq, *own)


def plif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    w: Tensor,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
    *,
    neuron_storage: torch.dtype | str | None = None,
    neuron_fwd: str = "fp32",
    neuron_bwd: str = "fp32",
) -> Sequence:
    """`plif_step` over a sequence, see `if_multi_step`."""
    _check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    own = (w, decay_input, v_threshold, v_reset, spike, detach_reset)
    return _scan(plif_step, x_seq, v, store_v_seq, *own)


def qif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    v_c: float = 0.8,
    a0: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_v_seq: bool = False,
) -> Sequence:
    """`qif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or Sigmoid()
    own = (tau, a0, v_rest, v_c, v_threshold, v_reset, spike, detach_reset)
    return _scan(qif_step, x_seq, v, store_v_seq, *own)


def eif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    theta_rh: float = 1.0,
    delta_t: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_v_seq: bool = False,
) -> Sequence:
    """`eif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or Sigmoid()
    own = (tau, delta_t, theta_rh, v_rest, v_threshold, v_reset, spike, detach_reset)
    return _scan(eif_step, x_seq, v, store_v_seq, *own)


def ilif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
) -> Sequence:
    """`ilif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or MultiLevelSpikeCount(4)
    return _scan(ilif_step, x_seq, v, store_v_seq, tau, v_threshold, spike, detach_reset)


def izhikevich_multi_step(
    x_seq: Tensor,
    v: Tensor,
    w: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    a: float = 0.1,
    b: float = 0.2,
    tau_w: float = 2.0,
    v_c: float = 0.8,
    a0: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_state_seq: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """`izhikevich_step` over a sequence.

    Returns:
        Spikes ``[T, B, ...]``, the last potential and adaptation ``[B, ...]``, and with
        ``store_state_seq`` those of all steps ``[T, B, ...]``, else None.
    """
    spike = surrogate_function or Sigmoid()
    own = (tau, a0, v_rest, v_c, tau_w, a, b, v_threshold, v_reset, spike, detach_reset)

    def one(x: Any, v: Any, w: Any) -> Any:
        return dynamics.izhikevich_step(x, v, w, *own)

    if not store_state_seq:
        s_seq, (v, w), _ = kernels.scan(one, x_seq, [v, w])
        return s_seq, v, w, None, None
    spikes, potentials, adaptations = [], [], []
    for x in x_seq:
        s, v, w = one(x, v, w)
        spikes.append(s)
        potentials.append(v)
        adaptations.append(w)
    return torch.stack(spikes), v, w, torch.stack(potentials), torch.stack(adaptations)
