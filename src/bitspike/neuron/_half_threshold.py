"""The integrate-and-fire neuron that starts half charged."""

from collections.abc import Callable

from torch import Tensor

from bitspike.neuron._if import IFNode


class HalfThresholdIFNode(IFNode):
    """Integrate and fire with soft reset that starts at half its threshold.

    So the number of spikes over T is the input's sum, rounded and not cut off: what conversion
    from an ANN needs. Equations: see `IFNode`.

    Args:
        v_threshold: threshold of the membrane potential.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Sigmoid()``.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
        step_mode: ``'s'`` or ``'m'``.
        store_v_seq: whether ``v_seq`` records the potential after each step.
    """

    def __init__(
        self,
        v_threshold: float = 1.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, None, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.set_reset_value("v", self.v_threshold / 2)
        self.reset()
