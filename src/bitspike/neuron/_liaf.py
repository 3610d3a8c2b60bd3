"""The leaky integrate-and-fire neuron with an analog output."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.neuron._lif import LIFNode


class LIAFNode(LIFNode):
    """Leaky integrate and analog fire: spikes reset the membrane, the output is analog.

    ::

        Y[t] = act(H[t] - v_threshold)    threshold_related=True
        Y[t] = act(H[t])                  threshold_related=False

    Charge and reset: see `LIFNode`, as the arguments that are not listed.

    Args:
        act: the activation, a function of tensors.
        threshold_related: whether it is applied to ``H - v_threshold``.

    Paper: Wu et al., "LIAF-Net: leaky integrate and analog fire network for lightweight and
    efficient spatiotemporal information processing", TNNLS 2022.
    """

    def __init__(
        self, act: Callable[[Tensor], Tensor], threshold_related: bool, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if not callable(act):
            raise TypeError(f"LIAFNode: act must be a function, but got {act!r}")
        self.act = act
        self.threshold_related = bool(threshold_related)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v)`` to ``(y, v)``."""
        (v,) = states
        return dynamics.liaf_step(
            x, v, self.tau, self.decay_input, self.v_threshold, self.v_reset,
            self.act, self.threshold_related, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
