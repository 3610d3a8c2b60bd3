"""One time step of each recurrent layer."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from bitspike.surrogate import Erf

Spike = Callable[[Tensor], Tensor]


class SpikingRNNCellBase(nn.Module):
    """Base of the cells: two linear layers, of the input and of the last output.

    ``gates`` is the number of gates; a subclass with 0 makes ``linear_ih`` and ``linear_hh``
    itself.

    Args:
        input_size: features of the input.
        hidden_size: features of the output.
        bias: whether the linear layers have biases.
    """

    gates: ClassVar[int] = 0
    linear_ih: nn.Linear
    linear_hh: nn.Linear

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        if self.gates:
            self.linear_ih = nn.Linear(input_size, self.gates * hidden_size, bias=bias)
            self.linear_hh = nn.Linear(hidden_size, self.gates * hidden_size, bias=bias)
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniformly within ``1 / sqrt(hidden_size)`` around 0."""
        bound = math.sqrt(1 / self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def weight_ih(self) -> Tensor:
        """Weights of the input, ``[gates * hidden_size, input_size]``."""
        return self.linear_ih.weight

    def weight_hh(self) -> Tensor:
        """Weights of the last output, ``[gates * hidden_size, hidden_size]``."""
        return self.linear_hh.weight

    def bias_ih(self) -> Tensor | None:
        """Biases of the input, ``[gates * hidden_size]``."""
        return self.linear_ih.bias

    def bias_hh(self) -> Tensor | None:
        """Biases of the last output, ``[gates * hidden_size]``."""
        return self.linear_hh.bias

    def _check(self, x: Tensor, *states: Tensor) -> None:
        """Raise ValueError unless ``x`` is one time step and each state fits it."""
        fits = x.ndim == 2 and x.shape[1] == self.input_size
        for state in states if fits else ():
            fits = fits and state.ndim == 2 and state.shape[1] == self.hidden_size
            fits = fits and len(state) in (1, len(x))
        if not fits:
            shapes = ", ".join(str(tuple(given.shape)) for given in (x, *states))
            raise ValueError(
                f"{type(self).__name__}: one time step is [B, {self.input_size}] with states "
                f"[B, {self.hidden_size}], but got {shapes}; the layer without Cell in its name "
                "takes sequences"
            )

    def _zeros(self, x: Tensor) -> Tensor:
        return torch.zeros(*x.shape[:1], self.hidden_size, dtype=x.dtype, device=x.device)


class _TwoSurrogates(SpikingRNNCellBase):
    """A cell that may have a second spike function; both spike, or neither does."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        surrogate_function1: Spike | None = None,
        surrogate_function2: Spike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.surrogate_function1 = Erf() if surrogate_function1 is None else surrogate_function1
        self.surrogate_function2 = surrogate_function2
        self._second()

    def _second(self) -> Spike:
        """Return the second spike function, which is the first one by default."""
        first, second = self.surrogate_function1, self.surrogate_function2
        if second is None:
            return first
        if getattr(first, "spiking", True) != getattr(second, "spiking", True):
            raise ValueError(
                f"{type(self).__name__}: surrogate_function1 and surrogate_function2 must both "
                f"have spiking=True or both False, but got {first} and {second}"
            )
        return second


class SpikingLSTMCell(_TwoSurrogates):
    """One time step of `SpikingLSTM`.

    With ``s1`` and ``s2`` the two spike functions::

        i, f, o = s1(W_i x + b_i + W_h h + b_h)         g = s2(...) likewise
        c = min(f c + i g, 1)                           h = o c

    The gradient passes the minimum as if it were not there.

    Input ``[B, input_size]``; states and output ``h, c``, ``[B, hidden_size]`` each; another shape
    raises ValueError.

    Args:
        input_size: features of the input.
        hidden_size: features of the output.
        bias: whether the linear layers have biases.
        surrogate_function1: spike function; None is ``surrogate.Erf()``.
        surrogate_function2: spike function of ``g``; None is the first one.

    Raises:
        ValueError: if one of the functions spikes and the other does not.

    Paper: Lotfi Rezaabad and Vishwanath, "Long Short-Term Memory Spiking Networks and Their
    Applications", ICONS 2020.
    """

    gates = 4

    def forward(
        self, x: Tensor, hc: Sequence[Tensor] | Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return ``h, c`` of this step from those of the last one, zeros by default."""
        h, c = (self._zeros(x), self._zeros(x)) if hc is None else (hc[0], hc[1])
        self._check(x, h, c)
        s1, s2 = self.surrogate_function1, self._second()
        i, f, g, o = (self.linear_ih(x) + self.linear_hh(h)).chunk(4, dim=1)
        c = c * s1(f) + s1(i) * s2(g)
        with torch.no_grad():
            c.clamp_(max=1.0)
        return c * s1(o), c


class SpikingGRUCell(_TwoSurrogates):
    """One time step of `SpikingGRU`.

    With ``s1`` and ``s2`` the two spike functions::

        r, z = s1(W_i x + b_i + W_h h + b_h)
        n = s2(W_i x + b_i + r (W_h h + b_h))
        h = (1 - z) n + z h

    Input ``[B, input_size]``; state and output ``h``, ``[B, hidden_size]``; another shape raises
    ValueError.

    Args:
        input_size: features of the input.
        hidden_size: features of the output.
        bias: whether the linear layers have biases.
        surrogate_function1: spike function; None is ``surrogate.Erf()``.
        surrogate_function2: spike function of ``n``; None is the first one.

    Raises:
        ValueError: if one of the functions spikes and the other does not.
    """

    gates = 3

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """Return ``h`` of this step from that of the last one, zeros by default."""
        h = self._zeros(x) if h is None else h
        self._check(x, h)
        s1, s2 = self.surrogate_function1, self._second()
        r_x, z_x, n_x = self.linear_ih(x).chunk(3, dim=1)
        r_h, z_h, n_h = self.linear_hh(h).chunk(3, dim=1)
        r, z = s1(r_x + r_h), s1(z_x + z_h)
        return (1.0 - z) * s2(n_x + r * n_h) + z * h


class SpikingVanillaRNNCell(SpikingRNNCellBase):
    """One time step of `SpikingVanillaRNN`.

    ::

        h = s(W_i x + b_i + W_h h + b_h)

    Input ``[B, input_size]``; state and output ``h``, ``[B, hidden_size]``; another shape raises
    ValueError.

    Args:
        input_size: features of the input.
        hidden_size: features of the output.
        bias: whether the linear layers have biases.
        surrogate_function: spike function ``s``; None is ``surrogate.Erf()``.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        surrogate_function: Spike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.surrogate_function = Erf() if surrogate_function is None else surrogate_function

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """Return ``h`` of this step from that of the last one, zeros by default."""
        h = self._zeros(x) if h is None else h
        self._check(x, h)
        return self.surrogate_function(self.linear_ih(x) + self.linear_hh(h))
