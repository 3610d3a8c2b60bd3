"""Dropout of activities and of connections."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule, ShowsSettings, check_finite, check_rank, check_sequence
from bitspike.layer._containers import check_children
from bitspike.layer._memory_shape import shaped
from bitspike.spikes import dense


class Dropout(ShowsSettings, MemoryModule):
    """Dropout whose mask is drawn once and holds for all time steps until the reset.

    In training ``Y[t] = X[t] M / (1 - p)`` with ``M`` 0 with probability ``p`` for each element,
    else 1; in evaluation ``Y = X``. The random numbers are those of the global torch generator.
    Input and output are ``[B, ...]`` or ``[T, B, ...]``.

    Args:
        p: probability of an element to be dropped, at least 0 and less than 1.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError, ValueError: if ``p`` is not such a number.
        StateError: at an input that does not fit the mask of an earlier one.

    Paper: Lee et al., "Enabling Spike-Based Backpropagation for Training Deep Neural Network
    Architectures", Frontiers in Neuroscience 2020.
    """

    _states_carry_gradient = False

    mask: Tensor | None

    def __init__(self, p: float = 0.5, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode
        self.p = check_finite(self, "p", p)
        if not 0.0 <= self.p < 1.0:
            raise ValueError(
                f"{type(self).__name__}: p must be at least 0 and less than 1, but got {p}"
            )
        self.register_memory("mask", None)

    def create_mask(self, x: Tensor) -> Tensor:
        """Return a new mask for time steps like ``x``: 0 or ``1 / (1 - p)``."""
        return nn.functional.dropout(_ones(x), self.p, training=True)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, ...]``."""
        return x * self._mask_for(x) if self.training else x

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence, ``[T, B, ...]``, or the next part of one."""
        self._check(x_seq)
        return x_seq * self._mask_for(kernels.one_step(x_seq)) if self.training else x_seq

    def _check(self, x_seq: Tensor) -> None:
        check_sequence(self, x_seq, ndim=2)

    def _mask_for(self, x: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = self.create_mask(x)
        return self.memory_like("mask", x)


class Dropout2d(Dropout):
    """`Dropout` of whole channels: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""

    def __init__(self, p: float = 0.2, step_mode: str = "s") -> None:
        super().__init__(p, step_mode)

    def create_mask(self, x: Tensor) -> Tensor:
        """Return a new mask for time steps like ``x``, the same value in a whole channel."""
        return nn.functional.dropout2d(_ones(x), self.p, training=True)

    def _check(self, x_seq: Tensor) -> None:
        check_rank(self._whoami(), ["C, H, W"], x_seq.shape)
        super()._check(x_seq)


def _ones(x: Tensor) -> Tensor:
    return torch.ones(x.shape, dtype=x.dtype, device=x.device)


_RELU = nn.ReLU()


class DropConnectLinear(MemoryModule):
    """Linear layer each of whose weights and biases is 0 with probability ``p`` in training.

    Training, with masks ``M`` and ``m`` drawn for each sample of the batch::

        Y[t] = activation((M * W) X[t] + m * b)

    Evaluation takes the mean of ``activation(Z)`` over ``samples_num`` draws from the normal
    distribution that has the mean and the variance of the training's sum; no gradient flows
    through it::

        Z ~ N((1 - p) (W X + b), p (1 - p) (W^2 X^2 + b^2))

    Input ``[B, in_features]`` or ``[T, B, in_features]``, output with ``out_features``. There is
    no division by ``1 - p`` in training. The random numbers are those of the global torch
    generator.

    Args:
        in_features: features of the input.
        out_features: features of the output.
        bias: whether there are biases.
        p: probability of a connection to be dropped, from 0 to 1.
        samples_num: draws in evaluation.
        invariant: True keeps the masks of the first time step until the reset; False draws new
            ones at each step.
        activation: any function or single-step module, ReLU by default; None for none.
        step_mode: ``'s'`` or ``'m'``. That of the activation is always ``'s'``.

    Raises:
        TypeError, ValueError: for ``p`` outside [0, 1], or an activation in multi-step mode.
        StateError: at an input that does not fit the masks of an earlier one.

    Paper: Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013.
    """

    _keeps_children = True
    bias: nn.Parameter | None
    mask_w: Tensor | None
    mask_b: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        p: float = 0.5,
        samples_num: int = 1024,
        invariant: bool = False,
        activation: Callable[[Tensor], Tensor] | None = _RELU,
        step_mode: str = "s",
    ) -> None:
        super().__init__()
        self.step_mode = step_mode
        self.in_features = in_features
        self.out_features = out_features
        self.p = check_finite(self, "p", p)
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"DropConnectLinear: p is a probability, but got {p}")
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_features)) if bias else None)
        self.reset_parameters()
        self.register_memory("mask_w", None)
        if bias:
            self.register_memory("mask_b", None)
        self.samples_num = samples_num
        self.invariant = bool(invariant)
        if isinstance(activation, nn.Module):
            check_children(self, [activation])
        self.activation = nn.ReLU() if activation is _RELU else activation

    def reset_parameters(self) -> None:
        """Draw weights and biases anew, as ``torch.nn.Linear`` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            nn.init.uniform_(self.bias, -bound, bound)

    def reset(self) -> None:
        """Forget the masks, and reset the activation if it has a state."""
        super().reset()
        if isinstance(self.activation, MemoryModule):
            self.activation.reset()

    def drop(self, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return weights and biases under new masks for a batch; the layer's own masks stay.

        Returns:
            Weights ``[B, out_features, in_features]`` and biases ``[B, out_features]``, some of
            them 0; None for the biases of a layer without.
        """
        mask_w, mask_b = self._draw(batch_size)
        bias = None if self.bias is None or mask_b is None else self.bias * mask_b
        return self.weight * mask_w, bias

    @property
    def dropped_w(self) -> Tensor | None:
        """Weights under the last masks, ``[B, out_features, in_features]``."""
        return None if self.mask_w is None else self.weight * self.mask_w

    @property
    def dropped_b(self) -> Tensor | None:
        """Biases under the last masks, ``[B, out_features]``."""
        return None if self.bias is None or self.mask_b is None else self.bias * self.mask_b

    def _draw(self, batch_size: int) -> tuple[Tensor, Tensor | None]:
        def mask(parameter: Tensor) -> Tensor:
            return torch.rand_like(parameter.expand(batch_size, *parameter.shape)) >= self.p

        return mask(self.weight), None if self.bias is None else mask(self.bias)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, in_features]``."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(
                f"{self._whoami()}: one time step must be [B, {self.in_features}], but got "
                f"{tuple(x.shape)}"
            )
        x = dense(x)
        z = self._with_masks(x) if self.training else self._samples(x)
        y = z if self.activation is None else self.activation(z)
        return y if self.training else y.mean(0)

    def _with_masks(self, x: Tensor) -> Tensor:
        if not self.invariant or self.mask_w is None:
            self.mask_w, mask_b = self._draw(len(x))
            if mask_b is not None:
                self.mask_b = mask_b
        mask = self._mask_for("mask_w", x, self.out_features, self.in_features)
        z = torch.bmm(self.weight * mask, x.unsqueeze(-1)).squeeze(-1)
        if self.bias is None:
            return z
        return z + self.bias * self._mask_for("mask_b", x, self.out_features)

    def _mask_for(self, name: str, x: Tensor, *shape: int) -> Tensor:
        return self.memory_like(name, shaped(self.weight, len(x), *shape))

    def _samples(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            mean = (1.0 - self.p) * nn.functional.linear(x, self.weight, self.bias)
            bias = None if self.bias is None else self.bias.square()
            spread = nn.functional.linear(x.square(), self.weight.square(), bias)
            std = (self.p * (1.0 - self.p) * spread).sqrt()
            shape = (self.samples_num, *mean.shape)
            return torch.normal(mean.expand(shape), std.expand(shape))

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, p={self.p}, invariant={self.invariant}, "
            f"{super().extra_repr()}"
        )
