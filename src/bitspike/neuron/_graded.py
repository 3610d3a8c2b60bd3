"""Leaky integrate-and-fire neurons whose output is a whole or a real number at each step."""

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_positive, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._lif import LIFNode
from bitspike.neuron._run import Sequences, run_function
from bitspike.surrogate import MultiLevelSpikeCount


def liaf_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    act: Callable[[Any], Any],
    threshold_related: bool,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `LIAFNode` with the activation ``act``; return ``(y, v)``."""
    h = dynamics.lif_charge(x, v, tau, decay_input, v_reset)
    y = act(h - v_threshold if threshold_related else h)
    _, v = dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return y, v


class LIAFNode(LIFNode):
    """Leaky integrate and analog fire: spikes reset the membrane, the output is analog.

    ::

        Y[t] = act(H[t] - v_threshold)    threshold_related=True
        Y[t] = act(H[t])                  threshold_related=False

    Charge and reset: see `LIFNode`, as the arguments that are not listed.

    Args:
        act: the activation, a function of tensors.
        threshold_related: whether it is applied to ``H - v_threshold``.
        *args: arguments of `LIFNode`.
        **kwargs: arguments of `LIFNode`.

    Paper: Wu et al., "LIAF-Net: leaky integrate and analog fire network for lightweight and
    efficient spatiotemporal information processing", TNNLS 2022.
    """

    group = "outputs"
    demo = Demo(
        shown={"act": torch.relu, "threshold_related": False},
        tested={"act": torch.tanh, "threshold_related": True},
    )
    step_function = staticmethod(liaf_step)

    def __init__(
        self, act: Callable[[Tensor], Tensor], threshold_related: bool, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if not callable(act):
            raise TypeError(f"LIAFNode: act must be a function, but got {act!r}")
        self.act = act
        self.threshold_related = bool(threshold_related)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v)`` to ``(y, v)``."""
        (v,) = states
        return liaf_step(
            x, v, self.tau, self.decay_input, self.v_threshold, self.v_reset,
            self.act, self.threshold_related, self.surrogate_function, self.detach_reset,
        )  # fmt: skip


def ilif_step(
    x: Any,
    v: Any,
    tau: float,
    v_threshold: float,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `ILIFNode`; return ``(s, v)`` with whole numbers of spikes."""
    h = dynamics.lif_charge(x, v, tau, False, None)
    s = surrogate_function(h / v_threshold)
    return s, dynamics.voltage_reset(h, s, v_threshold, None, detach_reset)


def ilif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
) -> Sequences:
    """Run `ilif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or MultiLevelSpikeCount(4)
    return run_function(ilif_step, x_seq, v, store_v_seq, tau, v_threshold, spike, detach_reset)


def _before_the_spikes(node: BaseNode, s: float) -> float:
    return float(node.v) + node.v_threshold * s


class ILIFNode(LIFNode):
    """Integer leaky integrate and fire: up to ``D`` spikes a step, as one whole number.

    ::

        H[t] = V[t-1] - V[t-1] / tau + X[t]
        S[t] = round(clamp(H[t] / v_threshold, 0, D))
        V[t] = H[t] - v_threshold S[t]

    Arguments that are not listed: see `LIFNode`.

    Args:
        v_threshold: potential of one spike.
        surrogate_function: a ``surrogate.MultiLevelSpikeCount``, which knows D; None is D = 4.

    Raises:
        ValueError: for another surrogate function, or one with ``spiking=False``.

    Paper: Luo et al., "Integer-valued training and spike-driven inference spiking neural network
    for high-performance and energy-efficient object detection", ECCV 2024.
    """

    group = "outputs"
    demo = Demo(pulse(1.2, 2.5), {"tau": 2.0}, potential=_before_the_spikes)
    step_function = staticmethod(ilif_step)

    def __init__(
        self,
        tau: Steps = 4.0 / 3.0,
        v_threshold: Potential = 1.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        spike = MultiLevelSpikeCount(4) if surrogate_function is None else surrogate_function
        if not isinstance(spike, MultiLevelSpikeCount) or not spike.spiking:
            raise ValueError(
                "ILIFNode: surrogate_function must be a MultiLevelSpikeCount with spiking=True, "
                f"but got {spike!r}"
            )
        super().__init__(
            tau, False, v_threshold, None, spike, detach_reset, step_mode, store_v_seq, **older
        )

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return ilif_step(
            x, v, self.tau, self.v_threshold, self.surrogate_function, self.detach_reset
        )


class MultiSpikeLIFNode(BaseNode):
    """Leaky integrate and fire that may spike several times a step (as in sinabs).

    ::

        H[t] = V[t-1] + (X[t] - V[t-1]) / tau
        S[t] = max(0, floor(H[t] / v_threshold))       at most max_spikes
        V[t] = H[t] - v_threshold S[t]

    The gradient of S with respect to ``H / v_threshold`` is that of a periodic sum of the surrogate
    at each threshold, cut to the spikes' range: 1 where ``v_threshold / 2 < H``, up to
    ``max_spikes + 1/2`` thresholds, else 0. Arguments that are not listed: see `LIFNode`.

    Args:
        v_threshold: potential of one spike.
        max_spikes: largest number of spikes in one step.
    """

    group = "outputs"
    demo = Demo(pulse(1.4, 4.5), {"max_spikes": 4}, potential=_before_the_spikes)

    def __init__(
        self,
        tau: Steps = 2.0,
        v_threshold: Potential = 1.0,
        max_spikes: float = 15.0,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, None, None, detach_reset, step_mode, store_v_seq, **older)
        # The gradient does not depend on a surrogate function.
        self.surrogate_function = None  # type: ignore[assignment]
        check_positive(self, "v_threshold", v_threshold)
        self.tau = check_tau(self, "tau", tau)
        self.max_spikes = check_positive(self, "max_spikes", max_spikes)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the leaky integration of ``x``."""
        return dynamics.lif_charge(x, v, self.tau, True, None)

    def fire(self, h: Any) -> Any:
        """Return the number of spikes; its gradient is passed straight through."""
        u = h / self.v_threshold
        straight = torch.clamp(u - 0.5, 0.0, self.max_spikes)
        spikes = torch.clamp(torch.floor(u), 0.0, self.max_spikes)
        return straight + (spikes - straight).detach()
