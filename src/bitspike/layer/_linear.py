"""Linear layers and convolutions of torch in both step modes, plain and weight-standardised.

Each takes the arguments of its ``torch.nn`` class; ``step_mode`` stands where SpikingJelly has it.
"""

from collections.abc import Callable
from math import prod, sqrt
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import StepModule, check_sequence, seq_to_ann_forward
from bitspike.layer._stepwise import Device, Size, Stepwise


class Linear(Stepwise, nn.Linear):
    """``torch.nn.Linear`` in both step modes: ``[B, ..., C]`` or ``[T, B, ..., C]``."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        step_mode: str = "s",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_features, out_features, bias, device=device, dtype=dtype, step_mode=step_mode
        )

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        check_sequence("Linear", x_seq, ndim=2)
        return stateless(x_seq)  # only the last axis matters: T and B need not be merged


class _Convolution(Stepwise):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        step_mode: str = "s",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = kernel_size, stride, padding, dilation, groups
        super().__init__(
            in_channels,
            out_channels,
            *sizes,
            bias,
            padding_mode,
            device,
            dtype,
            step_mode=step_mode,
        )

    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        padding = self.padding
        if self.padding_mode != "zeros":
            around = self._reversed_padding_repeated_twice
            input, padding = F.pad(input, around, mode=self.padding_mode), "valid"  # noqa: A001
        sizes = self.stride, padding, self.dilation, self.groups
        return kernels.convolution(input, weight, bias, *sizes)


class Conv1d(_Convolution, nn.Conv1d):
    """``torch.nn.Conv1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""


class Conv2d(_Convolution, nn.Conv2d):
    """``torch.nn.Conv2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        return seq_to_ann_forward(x_seq, lambda x: stateless(kernels.channels_last(x)))


class Conv3d(_Convolution, nn.Conv3d):
    """``torch.nn.Conv3d`` in both step modes: ``[B, C, D, H, W]`` or ``[T, B, C, D, H, W]``."""


class _ConvTranspose(Stepwise):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        step_mode: str = "s",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = kernel_size, stride, padding, output_padding, groups, bias, dilation
        super().__init__(
            in_channels, out_channels, *sizes, padding_mode, device, dtype, step_mode=step_mode
        )


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """``torch.nn.ConvTranspose3d`` in both step modes: ``[B, C, D, H, W]``, or T before it."""


class _WeightStandardised(StepModule):
    """Mixin with the standardised weights of each output."""

    weight: Tensor
    gain: nn.Parameter | None
    eps: float

    def _standardise(self: Any, gain: bool, eps: float) -> None:
        """Register the learnable factors, if there are any."""
        shape = len(self.weight), *[1] * (self.weight.ndim - 1)
        ones = nn.Parameter(self.weight.new_ones(shape)) if gain else None
        self.register_parameter("gain", ones)
        self.eps = eps

    def get_weight(self) -> Tensor:
        """Return the standardised weights, shaped like ``weight``."""
        weight, dims = self.weight, tuple(range(1, self.weight.ndim))
        var, mean = torch.var_mean(weight, dims, keepdim=True)
        standard = (weight - mean) / (var * prod(weight.shape[1:]) + self.eps) ** 0.5
        return standard if self.gain is None else standard * self.gain


class WSConv2d(_WeightStandardised, Conv2d):
    """`Conv2d` with weight standardisation.

    The weights ``W`` of each output channel, ``n`` of them, have mean 0 and sum of squares about 1
    in the convolution::

        gain * (W - mean(W)) / sqrt(n var(W) + eps)

    Args:
        gain: whether each output channel has a learnable factor, 1 at first.
        eps: added to the variance.

    Paper: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight
    Standardization", 2019.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        step_mode: str = "s",
        gain: bool = True,
        eps: float = 1e-4,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = kernel_size, stride, padding, dilation, groups
        super().__init__(
            in_channels, out_channels, *sizes, bias, padding_mode, step_mode, device, dtype
        )
        self._standardise(gain, eps)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002, ARG002
        y: Tensor = super()._conv_forward(input, self.get_weight(), bias)
        return y


class WSLinear(_WeightStandardised, Linear):
    """`Linear` with weight standardisation; see `WSConv2d`.

    Args:
        gain: whether each output has a learnable factor, 1 at first.
        eps: added to the variance.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        step_mode: str = "s",
        gain: bool = True,
        eps: float = 1e-4,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, step_mode, device, dtype)
        self._standardise(gain, eps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Run one time step or a sequence: only the last axis matters."""
        if self.step_mode == "m":
            check_sequence("WSLinear", input, ndim=2)
        with kernels.use_backend(self.backend):
            y: Tensor = F.linear(input, self.get_weight(), self.bias)
        return y


def kaiming_normal_conv_linear_weight(net: nn.Module) -> None:
    """Draw new weights for all convolutions and linear layers.

    They are normal with mean 0 and variance ``1 / (3 fan_in)``: the variance of torch's default,
    which is uniform. Biases stay as they are.

    Paper: He et al., Delving deep into rectifiers, 2015.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=sqrt(5))
