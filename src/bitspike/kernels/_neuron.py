"""What an engine has to know of a neuron beside its input and its state."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from bitspike.dynamics import HARD, SOFT, Charge, Reset


@dataclass(frozen=True, slots=True)
class Neuron:
    """Charge, fire, reset, with everything that stays the same over a sequence.

    Attributes:
        charge: the charge equation and its partial derivatives.
        p: the charge equation's leak parameter, a number or a tensor that may need a gradient.
        surrogate: the spike function of ``h - v_threshold``.
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike (hard reset), or None (soft reset).
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
    """

    charge: Charge
    p: float | Tensor
    surrogate: Callable[[Tensor], Tensor]
    v_threshold: float
    v_reset: float | None
    detach_reset: bool

    @property
    def v_rest(self) -> float:
        """What the membrane leaks to: ``v_reset``, or 0 under soft reset."""
        return 0.0 if self.v_reset is None else self.v_reset

    @property
    def reset(self) -> Reset:
        """The reset equation."""
        return SOFT if self.v_reset is None else HARD

    @property
    def q(self) -> float:
        """The reset equation's parameter: ``v_reset``, or the threshold under soft reset."""
        return self.v_threshold if self.v_reset is None else self.v_reset
