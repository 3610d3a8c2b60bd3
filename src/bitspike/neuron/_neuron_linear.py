"""A neuron followed by a linear layer, as one function of the states."""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.neuron._arguments import Surrogate
from bitspike.neuron._if import if_step
from bitspike.neuron._lif import lif_step
from bitspike.neuron._run import Step, run
from bitspike.surrogate import Sigmoid


def if_linear(
    x: Tensor,
    v: Tensor,
    weight_t: Tensor,
    bias: Tensor | None = None,
    *,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    threads: int = 256,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """Run `IFNode` and a linear layer on its spikes: ``y = s @ weight_t + bias``.

    Where a kernel runs the neuron, the layer adds up the rows of the weight at the spikes.

    Args:
        x: input of the neuron, one step ``[B, K]`` or a sequence ``[T, B, K]``.
        v: potential before it, ``[B, K]``.
        weight_t: weight of the layer, transposed, ``[K, N]``.
        bias: ``[N]`` or None.
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike; None subtracts the threshold instead.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
        surrogate_function: None is ``surrogate.Sigmoid()``.
        threads: accepted and not used: a hint for SpikingJelly's CUDA kernel.

    Returns:
        ``y``, ``[B, N]`` or ``[T, B, N]``, and the last potential, ``[B, K]``.

    Raises:
        ValueError: if the shapes do not fit.
    """
    spike = surrogate_function or Sigmoid()

    def step(x: Any, v: Any) -> Any:
        return if_step(x, v, v_threshold, v_reset, spike, detach_reset)

    return _neuron_linear(step, x, v, weight_t, bias)


def lif_linear(
    x: Tensor,
    v: Tensor,
    weight_t: Tensor,
    bias: Tensor | None = None,
    *,
    tau: float = 2.0,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    threads: int = 256,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """Run `LIFNode` and a linear layer on its spikes, see `if_linear`; tau is in time steps."""
    spike = surrogate_function or Sigmoid()

    def step(x: Any, v: Any) -> Any:
        return lif_step(x, v, tau, decay_input, v_threshold, v_reset, spike, detach_reset)

    return _neuron_linear(step, x, v, weight_t, bias)


def _neuron_linear(
    step: Step, x: Tensor, v: Tensor, weight_t: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    if x.ndim not in (2, 3) or x.shape[-2:] != v.shape or x.shape[-1] != weight_t.shape[0]:
        raise ValueError(
            "x must be [B, K] or [T, B, K], v [B, K] and weight_t [K, N], but got shapes "
            f"{tuple(x.shape)}, {tuple(v.shape)} and {tuple(weight_t.shape)}"
        )
    if x.ndim == 2:
        s, v = step(x, v)
    else:
        s, (v,), _ = run(step, x, [v])
    return F.linear(s, weight_t.t(), bias), v
