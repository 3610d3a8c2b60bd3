"""Layers whose weights are standardised."""

from math import prod

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import check_sequence
from bitspike.layer._stateless import Conv2d, Linear


def _standardise(weight: Tensor, gain: Tensor | None, eps: float) -> Tensor:
    dims = tuple(range(1, weight.ndim))
    var, mean = torch.var_mean(weight, dims, keepdim=True)
    standard = (weight - mean) / (var * prod(weight.shape[1:]) + eps) ** 0.5
    return standard if gain is None else standard * gain


def _gain(weight: Tensor, gain: bool) -> nn.Parameter | None:
    return nn.Parameter(weight.new_ones(len(weight), *[1] * (weight.ndim - 1))) if gain else None


class WSConv2d(Conv2d):
    """`Conv2d` with weight standardisation.

    The weights ``W`` of each output channel, ``n`` of them, have mean 0 and sum of squares about 1
    in the convolution::

        gain * (W - mean(W)) / sqrt(n var(W) + eps)

    Input and output are those of `Conv2d`: ``[B, C, H, W]`` or ``[T, B, C, H, W]``.

    Args:
        gain: whether each output channel has a learnable factor, 1 at first.
        eps: added to the variance.

    Paper: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight
    Standardization", 2019.
    """

    gain: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        step_mode: str = "s",
        gain: bool = True,
        eps: float = 1e-4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
            step_mode=step_mode,
        )
        self.register_parameter("gain", _gain(self.weight, gain))
        self.eps = eps

    def get_weight(self) -> Tensor:
        """The standardised weights, ``[out_channels, in_channels / groups, H, W]``."""
        return _standardise(self.weight, self.gain, self.eps)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002, ARG002
        y: Tensor = super()._conv_forward(input, self.get_weight(), bias)
        return y


class WSLinear(Linear):
    """`Linear` with weight standardisation; see `WSConv2d`.

    Input ``[B, in_features]`` or ``[T, B, in_features]``, output with ``out_features``.

    Args:
        gain: whether each output has a learnable factor, 1 at first.
        eps: added to the variance.
    """

    gain: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        step_mode: str = "s",
        gain: bool = True,
        eps: float = 1e-4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_features, out_features, bias, device=device, dtype=dtype, step_mode=step_mode
        )
        self.register_parameter("gain", _gain(self.weight, gain))
        self.eps = eps

    def get_weight(self) -> Tensor:
        """The standardised weights, ``[out_features, in_features]``."""
        return _standardise(self.weight, self.gain, self.eps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """One time step or a sequence: only the last axis matters."""
        if self.step_mode == "m":
            check_sequence("WSLinear", input, ndim=2)
        with kernels.use_backend(self.backend):
            y: Tensor = nn.functional.linear(input, self.get_weight(), self.bias)
        return y
